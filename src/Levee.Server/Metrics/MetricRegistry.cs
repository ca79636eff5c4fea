using System.Buffers;
using Microsoft.AspNetCore.Http;

namespace Levee.Server.Metrics;

/// <summary>All that <c>/metrics</c> shows, in the order in which it was added.</summary>
public sealed class MetricRegistry(CacheMetrics caches)
{
    /// <summary>How long a scrape waits for caches that are elsewhere before it shows their last numbers.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly Lock gate = new();
    private volatile IMetricSource[] sources = [caches];

    /// <summary>Adds a source. From any thread.</summary>
    public void Add(IMetricSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        lock (gate)
        {
            sources = [.. sources, source];
        }
    }

    /// <summary>Writes everything as it is now.</summary>
    public async Task WriteAsync(IBufferWriter<byte> output, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            await caches.RefreshAsync(patience.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is OperationCanceledException or TimeoutException && !cancellationToken.IsCancellationRequested)
        {
            // The last numbers are shown: a scrape that fails tells less.
        }

        var writer = new MetricWriter();
        foreach (var source in sources)
        {
            source.Collect(writer);
        }

        writer.WriteTo(output);
    }

    /// <summary>GET /metrics.</summary>
    internal async Task WriteAsync(HttpContext context, CancellationToken cancellationToken)
    {
        context.Response.ContentType = MetricWriter.ContentType;
        await WriteAsync(context.Response.BodyWriter, cancellationToken).ConfigureAwait(false);
        await context.Response.BodyWriter.FlushAsync(cancellationToken).ConfigureAwait(false);
    }
}
