using System.Net;
using System.Numerics;
using System.Security.Cryptography.X509Certificates;
using Levee.Hosting;
using Levee.Orleans;
using Levee.Partitions;
using Levee.Serving;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Connections.Security;
using Orleans.Dashboard;

namespace Levee.Silo;

/// <summary>Orleans as the options ask for it. Providers are Orleans' own affair: it makes them out of the section "Orleans".</summary>
internal static class SiloHost
{
    private const long SmallPartitionBytes = 16L << 20;
    private const ulong MostPartitions = 64;

    /// <summary>Builds it; nothing runs yet.</summary>
    /// <param name="serve">The caches.</param>
    /// <param name="cluster">The cluster.</param>
    /// <param name="configuration">Where Orleans reads its section.</param>
    /// <param name="certificate">For TLS; null: none.</param>
    /// <param name="isTraced">Whether trace contexts travel with grain calls.</param>
    /// <param name="openTiers">Opens a cache's tiers.</param>
    /// <exception cref="OptionException">Orleans refuses the configuration.</exception>
    public static IHost Build(
        ServeSettings serve,
        ClusterSettings cluster,
        IConfigurationManager configuration,
        ClusterCertificate? certificate,
        bool isTraced,
        Func<CacheOptions, CancellationToken, Task<ITierChain?>> openTiers)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { Configuration = (ConfigurationManager)configuration });
        builder.Logging.AddConsoleLines(serve.LogLevel);
        var hasStarted = false;
        if (serve.LogLevel == LogLevel.Warning)
        {
            // Warnings of a healthy start: server GC is advised, which docs/decisions/0005 decides against; and the watchdog may look at a time that it has not set yet.
            builder.Logging.AddFilter("Orleans.Runtime.Silo", level => level > LogLevel.Warning || (hasStarted && level >= serve.LogLevel));
            builder.Logging.AddFilter("Orleans.Runtime.Watchdog", level => level > LogLevel.Warning || (hasStarted && level >= serve.LogLevel));
        }

        // Signals are taken by the run, which has more to stop than the host.
        builder.Services.Replace(ServiceDescriptor.Singleton<IHostLifetime, CallersLifetime>());
        builder.Services.AddSingleton(builder.Services);
        AzureClients.Add(builder.Services, configuration);
        try
        {
            builder.UseOrleans(silo => Configure(silo, serve, cluster, configuration, certificate, isTraced, openTiers));
            var host = builder.Build();
            host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStarted.Register(() => hasStarted = true);
            return host;
        }
        catch (Exception wrong) when (wrong is InvalidOperationException or OrleansConfigurationException)
        {
            throw new OptionException($"the section \"Orleans\" of the configuration: {wrong.Message} docs/cluster-providers.md lists the providers of this build.", wrong);
        }
    }

    private static void Configure(
        ISiloBuilder silo,
        ServeSettings serve,
        ClusterSettings cluster,
        IConfiguration configuration,
        ClusterCertificate? certificate,
        bool isTraced,
        Func<CacheOptions, CancellationToken, Task<ITierChain?>> openTiers)
    {
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
            FirstSiloPlacement.Add(silo, cluster.Join);
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
                options.Caches.Add(cache with { Partitions = cache.Partitions != 0 ? cache.Partitions : DefaultPartitions(cache.MemoryBytes) });
            }

            // The folder of the tiers is locked, so nobody else is this node.
            options.NodeName = serve.Tiers.Addresses.Count > 0 ? cluster.Name : "";
            options.Lease = cluster.Lease;
            if (serve.Prefetches)
            {
                options.CreatePrefetcher = name => CachePrefetcher.Create(serve.Caches.First(cache => cache.Name == name).MemoryBytes, feedPeriod: LeveeSiloOptions.AccessFeedPeriod);
            }

            options.StopTimeout = serve.StopTimeout;
            options.OpenTiers = (cache, _, cancellation) => openTiers(cache, cancellation);
        });
        if (cluster.HasDashboard)
        {
            silo.AddDashboard();
        }

        if (certificate is not null)
        {
            silo.UseTls(certificate.Certificate, tls =>
            {
                tls.ClientCertificateMode = cluster.Tls!.IsMutual ? RemoteCertificateMode.RequireCertificate : RemoteCertificateMode.NoCertificate;
                tls.RemoteCertificateValidation = (peer, _, _) => certificate.Accepts(peer);

                // Silos are reached by address, and the name is not compared; but a name must be asked for.
                tls.OnAuthenticateAsClient = (_, client) => client.TargetHost = certificate.Certificate.GetNameInfo(X509NameType.DnsName, forIssuer: false);
            });
        }

        if (isTraced)
        {
            silo.AddActivityPropagation();
        }
    }

    /// <summary>Partitions are what moves, and their number is fixed: more than one silo needs, as far as they do not become small.</summary>
    private static int DefaultPartitions(long memoryBytes) => (int)Math.Clamp(BitOperations.RoundUpToPowerOf2((ulong)(memoryBytes / SmallPartitionBytes) + 1) >> 1, 1, MostPartitions);

    /// <summary>Begins and ends when the run says so.</summary>
    private sealed class CallersLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
