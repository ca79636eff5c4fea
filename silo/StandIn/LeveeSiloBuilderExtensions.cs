using Levee.Hosting;
using Levee.Operations;
using Levee.Partitions;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Microsoft.Extensions.Options;

namespace Levee.Orleans;

/// <summary>Caches that know nothing of the cluster: each silo has its own.</summary>
public static class LeveeSiloBuilderExtensions
{
    /// <summary>Adds the caches.</summary>
    public static ISiloBuilder AddLevee(this ISiloBuilder builder, Action<LeveeSiloOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = new LeveeSiloOptions();
        configure?.Invoke(options);
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton<LeveeSilo>();
        builder.Services.AddSingleton<ILeveeSilo>(services => services.GetRequiredService<LeveeSilo>());
        builder.Services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(services => services.GetRequiredService<LeveeSilo>());
        return builder;
    }
}

/// <summary>What the caches are.</summary>
public sealed class LeveeSiloOptions
{
    /// <summary>The caches.</summary>
    public IList<CacheOptions> Caches { get; } = [new()];

    /// <summary>Opens a cache's tiers.</summary>
    public Func<CacheOptions, string, IServiceProvider, CancellationToken, Task<ITierChain?>>? OpenTiers { get; set; }

    /// <summary>The folder.</summary>
    public string DataDir { get; set; } = "levee-data";

    /// <summary>The lease.</summary>
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(1);
}

/// <summary>The caches of a silo.</summary>
public interface ILeveeSilo
{
    /// <summary>The caches.</summary>
    IReadOnlyList<ICacheHost> Caches { get; }

    /// <summary>The clock.</summary>
    MillisecondClock Clock { get; }

    /// <summary>Why the silo takes no requests; null: it does.</summary>
    string? Obstacle { get; }

    /// <summary>Hands partitions over.</summary>
    Task DrainAsync(CancellationToken cancellation);
}

internal sealed class LeveeSilo(LeveeSiloOptions options, IServiceProvider services, IOptions<SiloOptions> silo) : ILeveeSilo, ILifecycleParticipant<ISiloLifecycle>
{
    private readonly List<LockHost> hosts = [];
    private bool isActive;

    public IReadOnlyList<ICacheHost> Caches => hosts;

    public MillisecondClock Clock => hosts[0].Clock;

    public string? Obstacle => isActive ? null : "the silo is not active";

    public async Task DrainAsync(CancellationToken cancellation)
    {
        foreach (var host in hosts)
        {
            await host.TakeDownAsync(cancellation);
        }
    }

    public void Participate(ISiloLifecycle observer) =>
        observer.Subscribe(
            nameof(LeveeSilo),
            ServiceLifecycleStage.Active,
            async cancellation =>
            {
                foreach (var cache in options.Caches)
                {
                    hosts.Add(new LockHost(cache, TimeProvider.System, options.OpenTiers is null ? null : await options.OpenTiers(cache, silo.Value.SiloName, services, cancellation)));
                }

                isActive = true;
            },
            _ =>
            {
                isActive = false;
                return Task.CompletedTask;
            });
}
