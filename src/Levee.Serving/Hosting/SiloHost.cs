using System.Net;
using System.Security.Cryptography.X509Certificates;
using Levee.Hosting;
using Levee.Orleans;
using Levee.Partitions;
using Levee.Serving.Records;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Connections.Security;
using Orleans.Dashboard;

namespace Levee.Serving.Hosting;

/// <summary>What a silo is made of.</summary>
/// <param name="Serve">The caches.</param>
/// <param name="Cluster">The cluster.</param>
/// <param name="Configuration">Where Orleans reads its section.</param>
internal sealed record SiloParts(ServeSettings Serve, ClusterSettings Cluster, IConfigurationManager Configuration)
{
    /// <summary>For TLS; null: none.</summary>
    public ClusterCertificate? Certificate { get; init; }

    /// <summary>Whether trace contexts travel with grain calls.</summary>
    public bool IsTraced { get; init; }

    /// <summary>The records, where this is the first silo of localhost clustering.</summary>
    public required RecordStore Records { get; init; }

    /// <summary>Opens a cache's tiers.</summary>
    public required Func<CacheOptions, CancellationToken, Task<ITierChain?>> OpenTiers { get; init; }
}

/// <summary>Orleans as the options ask for it. Providers are Orleans' own affair: it makes them out of the section "Orleans".</summary>
internal static class SiloHost
{
    /// <summary>These log why a start failed, each with the same stack trace; <see cref="ServerRun"/> says it in one sentence.</summary>
    private static readonly string[] RepeatedAtStart =
        ["Orleans.Runtime.MembershipService.MembershipTableManager", "Orleans.Runtime.SiloLifecycleSubject", "Orleans.Runtime.Silo", "Microsoft.Extensions.Hosting.Internal.Host"];

    /// <summary>Builds it; nothing runs yet.</summary>
    /// <exception cref="OptionException">Orleans refuses the configuration.</exception>
    public static IHost Build(SiloParts parts)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { Configuration = (ConfigurationManager)parts.Configuration });
        builder.Logging.AddConsoleLines(parts.Serve.LogLevel);
        var hasStarted = false;
        foreach (var category in parts.Serve.LogLevel > LogLevel.Debug ? RepeatedAtStart : [])
        {
            builder.Logging.AddFilter(category, level => level >= (hasStarted ? LogLevel.Error : LogLevel.Critical) && level >= parts.Serve.LogLevel);
        }

        // Signals are taken by the run, which has more to stop than the host.
        builder.Services.Replace(ServiceDescriptor.Singleton<IHostLifetime, CallersLifetime>());
        builder.Services.AddSingleton(builder.Services);
        AzureClients.Add(builder.Services, parts.Configuration);
        try
        {
            builder.UseOrleans(silo => Configure(silo, parts));
            var host = builder.Build();
            host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStarted.Register(() => hasStarted = true);
            return host;
        }
        catch (Exception wrong) when (wrong is InvalidOperationException or OrleansConfigurationException)
        {
            throw new OptionException($"the section \"Orleans\" of the configuration: {Redaction.Of(wrong.Message, parts.Cluster.Connection)} docs/cluster-providers.md lists the providers of this build.", wrong);
        }
    }

    private static void Configure(ISiloBuilder silo, SiloParts parts)
    {
        var (serve, cluster, configuration) = parts;
        var isLocalhost = ClusterProvider.IsLocalhost(cluster, configuration);
        silo.Configure<SiloOptions>(options => options.SiloName = cluster.Name);
        silo.Configure<ClusterOptions>(options =>
        {
            options.ClusterId = cluster.ClusterId;
            options.ServiceId = cluster.ServiceId;
        });
        silo.Configure<EndpointOptions>(options =>
        {
            if (cluster.Advertise is { } address)
            {
                options.AdvertisedIPAddress = address;
            }
            else if (isLocalhost)
            {
                options.AdvertisedIPAddress = IPAddress.Loopback;
            }

            options.SiloPort = cluster.SiloPort;
            options.GatewayPort = cluster.GatewayPort;
        });
        if (isLocalhost)
        {
            silo.UseDevelopmentClustering(cluster.Join);
            if (!ClusterProvider.HasStorage(configuration))
            {
                FirstSiloStorage.Add(silo, ClusterProvider.StorageName, parts.Records, cluster.Join);
            }
        }

        if (cluster.IsInKubernetes)
        {
            silo.UseKubernetesHosting();
        }

        silo.AddLevee(options =>
        {
            options.Caches.Clear();
            foreach (var cache in serve.Caches)
            {
                options.Caches.Add(cache);
            }

            // The folder of the tiers is locked, so nobody else is this node.
            options.NodeName = serve.Tiers.Addresses.Count > 0 ? cluster.Name : "";
            options.Lease = cluster.Lease;
            if (serve.Prefetches)
            {
                options.CreatePrefetcher = name => CachePrefetcher.Create(serve.Caches.First(cache => cache.Name == name).MemoryBytes, feedPeriod: LeveeSiloOptions.AccessFeedPeriod);
            }

            options.StopTimeout = serve.StopTimeout;
            options.OpenTiers = (cache, _, cancellation) => parts.OpenTiers(cache, cancellation);
        });
        if (cluster.HasDashboard)
        {
            silo.AddDashboard();
        }

        if (parts.Certificate is { } certificate)
        {
            silo.UseTls(certificate.Certificate, tls =>
            {
                tls.ClientCertificateMode = cluster.Tls!.IsMutual ? RemoteCertificateMode.RequireCertificate : RemoteCertificateMode.NoCertificate;
                tls.RemoteCertificateValidation = (peer, _, _) => certificate.Accepts(peer);

                // Silos are reached by address, and the name is not compared; but a name must be asked for.
                tls.OnAuthenticateAsClient = (_, client) => client.TargetHost = certificate.Certificate.GetNameInfo(X509NameType.DnsName, forIssuer: false);
            });
        }

        if (parts.IsTraced)
        {
            silo.AddActivityPropagation();
        }
    }

    /// <summary>Begins and ends when the run says so.</summary>
    private sealed class CallersLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
