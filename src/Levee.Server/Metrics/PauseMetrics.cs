namespace Levee.Server.Metrics;

/// <summary>How often background work held a partition for more than a millisecond.</summary>
/// <param name="Cache">The cache's name.</param>
/// <param name="Cause">The kind of work, in lower case: "expiry", "clear".</param>
/// <param name="Count">How often since the start.</param>
public readonly record struct PauseCount(string Cache, string Cause, long Count);

/// <summary>Internal pauses above a millisecond by cause, wherever the caches' hosts count them.</summary>
/// <param name="read">Reads the counts now; from any thread.</param>
public sealed class PauseMetrics(Func<IEnumerable<PauseCount>> read) : IMetricSource
{
    /// <inheritdoc/>
    public void Collect(MetricWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        foreach (var (cache, cause, count) in read())
        {
            writer.Counter("levee_pauses_total", "Slices of background work that held a partition for more than a millisecond, by cause.", count, ("cache", cache), ("cause", cause));
        }
    }
}
