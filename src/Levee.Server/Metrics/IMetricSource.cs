namespace Levee.Server.Metrics;

/// <summary>Something that has numbers to show. Collecting reads counters that others write and holds nobody up.</summary>
public interface IMetricSource
{
    /// <summary>Writes the numbers as they are now. Several threads may collect at a time.</summary>
    void Collect(MetricWriter writer);
}
