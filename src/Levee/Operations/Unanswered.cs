using System.Globalization;

namespace Levee.Operations;

/// <summary>The partitions and tiers of a cache that did not do what they were asked, and why. For errors that name them.</summary>
/// <param name="cache">The cache.</param>
public sealed class Unanswered(ICacheHost cache)
{
    private const int MaxNamed = 4;

    private readonly SortedDictionary<int, Outcome> outcomes = [];

    /// <summary>The cache's name.</summary>
    public string Cache => cache.Name;

    /// <summary>Whether everybody answered.</summary>
    public bool IsEmpty => outcomes.Count == 0;

    /// <summary>How many did not.</summary>
    public int Count => outcomes.Count;

    /// <summary>The first of them, numbered as in <see cref="ICacheHost.TierCount"/>; only where there is one.</summary>
    public int First => outcomes.Keys.First();

    /// <summary>Notes how an operation ended that everybody answers with <see cref="Outcome.Done"/>.</summary>
    /// <returns>Whether it was done.</returns>
    public bool Note(int partition, Outcome outcome)
    {
        if (outcome == Outcome.Done)
        {
            return true;
        }

        outcomes[partition] = outcome;
        return false;
    }

    /// <summary>Who did not answer and why: "partition 3 of the cache 'default' did not answer (its silo is gone)".</summary>
    public override string ToString()
    {
        var named = outcomes.Take(MaxNamed).Select(Describe).ToList();
        if (outcomes.Count > MaxNamed)
        {
            named.Add(string.Create(CultureInfo.InvariantCulture, $"{outcomes.Count - MaxNamed} more"));
        }

        return string.Join("; ", named);
    }

    private string Describe(KeyValuePair<int, Outcome> entry)
    {
        var (partition, outcome) = entry;
        var (kind, number) = partition < cache.PartitionCount ? ("partition", partition) : ("tier", partition - cache.PartitionCount);
        var name = string.Create(CultureInfo.InvariantCulture, $"{kind} {number} of the cache '{cache.Name}'");
        if (outcome != Outcome.Unavailable)
        {
            return $"{name} answered {outcome}";
        }

        return cache.DescribeFailure(partition) is { } reason ? $"{name} did not answer ({reason})" : $"{name} did not answer";
    }
}
