namespace Levee.Partitions;

/// <summary>All the tiers below a cache's partitions: what a host is given.</summary>
public interface ITierChain : ILowerTiers, IEffectRunner
{
    /// <summary>Promises that no partition's clock passes this, in Unix milliseconds, before the next call; durable when it returns.</summary>
    void Reserve(long untilMs);
}
