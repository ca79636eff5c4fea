using Levee.Caching;
using Levee.Orleans.Client;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Levee.Orleans;

/// <summary>Adds the client of a Levee cluster to an application.</summary>
public static class LeveeClientExtensions
{
    /// <summary>
    /// Adds <see cref="ILeveeCache"/>, the caches of the cluster that the application's Orleans client is connected to: the first one as the service itself, each also under its name as a keyed service.
    /// It connects when that client does, as the application starts (<c>UseOrleansClient(...)</c>).
    /// </summary>
    public static IServiceCollection AddLeveeClient(this IServiceCollection services, Action<LeveeClientOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.Configure<LeveeClientOptions>(options => configure?.Invoke(options));
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<LeveeClient>();
        services.AddSingleton<ILifecycleParticipant<IClusterClientLifecycle>>(provider => provider.GetRequiredService<LeveeClient>());
        services.AddTransient(provider => provider.GetRequiredService<LeveeClient>().CacheNamed(null));
        services.AddKeyedTransient<ILeveeCache>(KeyedService.AnyKey, (provider, key) => provider.GetRequiredService<LeveeClient>().CacheNamed((string)key!));
        return services;
    }
}
