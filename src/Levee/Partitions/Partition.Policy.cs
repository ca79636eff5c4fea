using Levee.Eviction;
using Levee.Keys;
using Levee.Learning;
using Levee.Operations;

namespace Levee.Partitions;

/// <summary>
/// The eviction policy in force. What happens to the keys of a sample is noted for whoever compares eviction policies: a comparison of the key's hash on the way, and a copy of 24 bytes for one key in many. What does not fit in between two visits of the
/// host is dropped and counted.
/// </summary>
public sealed partial class Partition
{
    /// <summary>Samples that wait at the most.</summary>
    internal const int MostSamples = 2048;

    private double policyTarget;
    private uint sampleBelow;
    private PolicySample[] samples = [];
    private int sampled;
    private long requestsTaken;

    /// <summary>The number of the last <see cref="SwitchPolicy"/>; 0: there was none.</summary>
    internal long PolicyNumber { get; private set; }

    /// <summary>How many nodes a slice of a hand-over touches: about 0.2 ms.</summary>
    internal int SwitchedPerSlice { get; set; } = 512;

    /// <summary>Hands the entries over to another eviction policy, in maintenance slices. What has been cleared begins with it at once.</summary>
    /// <param name="switched">Numbers rise: a call with one that is not above the last is late and changes nothing.</param>
    /// <param name="name">One of <see cref="Policies.Names"/>.</param>
    /// <param name="cost">What a miss costs, for policies that ask.</param>
    /// <param name="target">The adaptive target that it begins with, as a part of the capacity; 0: its own.</param>
    internal void SwitchPolicy(long switched, string name, MissCost? cost = null, double target = 0)
    {
        if (switched <= PolicyNumber)
        {
            return;
        }

        PolicyNumber = switched;
        policyTarget = target;
        options = options with { Policy = name, Cost = cost ?? options.Cost };
    }

    /// <summary>Samples that were dropped.</summary>
    internal long SamplesDropped { get; private set; }

    /// <summary>What the cache's host has learnt, for the statistics.</summary>
    internal PolicyLearning? Learning { get; set; }

    /// <summary>Reads and writes since the last call.</summary>
    internal long TakeRequests()
    {
        var all = hits + misses + stores;
        var since = all - requestsTaken;
        requestsTaken = all;
        return since;
    }

    /// <summary>Which keys are in the sample.</summary>
    /// <param name="below">Those whose hash has a low half below this; 0: none.</param>
    internal void SampleBelow(uint below)
    {
        sampleBelow = below;
        if (below > 0 && samples.Length == 0)
        {
            samples = new PolicySample[MostSamples];
        }
    }

    /// <summary>Hands over what was noted and forgets it.</summary>
    /// <param name="into">Room for <see cref="MostSamples"/>.</param>
    /// <returns>How many there are.</returns>
    internal int TakeSamples(Span<PolicySample> into)
    {
        samples.AsSpan(0, sampled).CopyTo(into);
        var count = sampled;
        sampled = 0;
        return count;
    }

    private void Sample(PolicySampleKind kind, ulong routingHash, int node = NodeTable.None)
    {
        if (sampled == samples.Length)
        {
            SamplesDropped++;
            return;
        }

        samples[sampled++] = node == NodeTable.None
            ? new PolicySample(routingHash, 0, 0, kind)
            : new PolicySample(routingHash, EntryRecord.ExpiresAt(store.Record(node)), store.Nodes[node].Weight, kind);
    }

    /// <summary>A read that found nothing in memory, and put nothing there.</summary>
    private void SampleUnplaced(OperationKind kind, ulong routingHash)
    {
        if (kind == OperationKind.Get && (uint)routingHash < sampleBelow)
        {
            Sample(PolicySampleKind.Read, routingHash);
        }
    }

    private void SampleBurial(ReadOnlySpan<byte> record)
    {
        var routingHash = KeyHash.Of(EntryRecord.Key(record));
        if ((uint)routingHash < sampleBelow)
        {
            Sample(PolicySampleKind.Remove, routingHash);
        }
    }

    /// <summary>What was noted before says nothing any more.</summary>
    private void SampleClear()
    {
        if (samples.Length > 0)
        {
            sampled = 0;
            Sample(PolicySampleKind.Clear, 0);
        }
    }
}
