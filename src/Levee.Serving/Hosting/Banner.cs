using Levee.Server;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Levee.Serving.Hosting;

/// <summary>What a server says when it is ready: where it listens, what it holds, what to try next.</summary>
internal static class Banner
{
    /// <summary>Writes it.</summary>
    public static async Task WriteAsync(TextWriter output, ServeSettings serve, ClusterSettings cluster, IConfiguration configuration, IServiceProvider services, LeveeServer server)
    {
        var silo = services.GetRequiredService<ILocalSiloDetails>();
        var isLocalhost = ClusterProvider.IsLocalhost(cluster, configuration);
        await output.WriteLineAsync($"Levee is ready: silo {silo.Name}, {Place(cluster, isLocalhost, silo, configuration)}.");
        await output.WriteLineAsync();
        await output.WriteLineAsync($"  Clients    RESP on {server.RespEndPoint}, HTTP on http://{server.HttpEndPoint}{(cluster.HasDashboard ? $", dashboard on http://{server.HttpEndPoint}{SiloPages.DashboardPath}" : "")}");
        await output.WriteLineAsync($"  Cluster    silo on {silo.SiloAddress.Endpoint}, gateway on {silo.GatewayAddress?.Endpoint}{Tls(cluster)}");
        await output.WriteLineAsync($"  Memory     {Caches(serve)}, policy {serve.Caches[0].Policy}");
        await output.WriteLineAsync($"  Below it   {Tiers(serve, cluster)}");
        await output.WriteLineAsync();
        await output.WriteLineAsync($"  Try        redis-cli -p {server.RespEndPoint.Port} set greeting hello");
        await output.WriteLineAsync($"             curl http://{server.HttpEndPoint}/caches/default/keys/greeting");
        await output.WriteLineAsync($"             {Another(cluster, isLocalhost, silo)}");
        await output.WriteLineAsync(serve.Tiers.Addresses.Count == 0
            ? "  Ctrl-C stops it, and what it holds is gone."
            : "  Ctrl-C stops it; what memory holds goes down to the tiers first.");
    }

    private static string Place(ClusterSettings cluster, bool isLocalhost, ILocalSiloDetails silo, IConfiguration configuration) =>
        cluster.Join is { } first ? $"which joined {first} of cluster {silo.ClusterId}"
        : isLocalhost ? $"the first of cluster {silo.ClusterId} on this machine"
        : $"of cluster {silo.ClusterId} by {configuration["Orleans:Clustering:ProviderType"]}";

    private static string Tls(ClusterSettings cluster) => cluster.Tls is null ? "" : cluster.Tls.IsMutual ? ", TLS (mutual)" : ", TLS";

    private static string Caches(ServeSettings serve) =>
        serve.Caches.Count == 1
            ? Size(serve.MemoryBytes)
            : $"{Size(serve.MemoryBytes)}: {string.Join(", ", serve.Caches.Select(cache => $"{cache.Name} {Size(cache.MemoryBytes)}"))}";

    private static string Tiers(ServeSettings serve, ClusterSettings cluster) =>
        serve.Tiers.Addresses.Count == 0
            ? "nothing: what memory has no room for is gone"
            : $"{string.Join(", then ", serve.Tiers.Addresses)}; state in {Path.Combine(serve.Tiers.DataDir, cluster.LastingName)}; durability {(serve.Tiers.WritesThrough ? "through" : "evict")}, prefetch {(serve.Prefetches ? "on" : "off")}";

    private static string Another(ClusterSettings cluster, bool isLocalhost, ILocalSiloDetails silo)
    {
        if (!isLocalhost)
        {
            return "the same command on another machine        # another silo of the cluster";
        }

        var first = (cluster.Join ?? silo.SiloAddress.Endpoint).ToString();
        return $"levee serve --join{(first == ClusterOption.Join.Bare ? "" : " " + first)}        # another silo on this machine";
    }

    private static string Size(long bytes) =>
        bytes >= 1L << 30
            ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):0.#} GiB")
            : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 20):0.#} MiB");
}
