using Levee.Server;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Levee.Serving.Hosting;

/// <summary>What a silo says when it has started: where it listens, which cluster it is in, what to try next.</summary>
internal static class Banner
{
    /// <summary>Writes it.</summary>
    public static async Task WriteAsync(TextWriter output, ServeSettings serve, ClusterSettings cluster, IConfiguration configuration, IServiceProvider services, LeveeServer server)
    {
        var silo = services.GetRequiredService<ILocalSiloDetails>();
        var isLocalhost = ClusterProvider.IsLocalhost(cluster, configuration);
        var others = serve.Caches.Skip(1).Select(cache => $", {cache.Name} {ByteSize.Format(cache.MemoryBytes)}");
        await output.WriteLineAsync($"silo   {silo.Name} of cluster {silo.ClusterId}, {(cluster.Join is { } first ? $"joined {first}" : isLocalhost ? "the first of this machine: the cluster ends with it" : configuration["Orleans:Clustering:ProviderType"])}");
        await output.WriteLineAsync($"       RESP on {server.RespEndPoint}, HTTP on http://{server.HttpEndPoint}{(cluster.HasDashboard ? $", dashboard on http://{server.HttpEndPoint}{SiloPages.DashboardPath}" : "")}");
        await output.WriteLineAsync($"       silo on {silo.SiloAddress.Endpoint}, gateway on {silo.GatewayAddress?.Endpoint}{(cluster.Tls is null ? "" : cluster.Tls.IsMutual ? ", TLS (mutual)" : ", TLS")}");
        await output.WriteLineAsync($"       memory budget {serve.MemoryBytes >> 20} MiB (default {serve.Caches[0].MemoryBytes >> 20} MiB{string.Concat(others)}), policy {serve.Caches[0].Policy}");
        await output.WriteLineAsync(serve.Tiers.Addresses.Count == 0 ? "       no tiers: what memory evicts is gone" : $"       tiers {string.Join(", ", serve.Tiers.Addresses)}; state in {Path.Combine(serve.Tiers.DataDir, cluster.LastingName)}, durability {(serve.Tiers.WritesThrough ? "through" : "evict")}");
        await output.WriteLineAsync($"try    redis-cli -p {server.RespEndPoint.Port} set greeting hello");
        await output.WriteLineAsync($"       curl http://{server.HttpEndPoint}/caches/default/keys/greeting");
        var joined = (cluster.Join ?? silo.SiloAddress.Endpoint).ToString();
        await output.WriteLineAsync(isLocalhost
            ? $"       dotnet run -c Release --project silo -- --join{(joined == ClusterOption.Join.Bare ? "" : " " + joined)}          (another silo on this machine; Ctrl-C stops this one)"
            : "       the same command on another machine          (another silo; Ctrl-C stops this one)");
    }
}
