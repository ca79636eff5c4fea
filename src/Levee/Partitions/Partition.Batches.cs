using Levee.Eviction;
using Levee.Learning;
using Levee.Operations;

namespace Levee.Partitions;

/// <summary>Many operations under one hold.</summary>
public sealed partial class Partition
{
    /// <summary>First of three steps towards the lookup of a key, taken for many keys before any lookup: each fetches what the next one reads. From any thread, unserialised: they change nothing.</summary>
    /// <returns>What <see cref="Operation.IndexHint"/> may carry to this partition.</returns>
    internal ulong ApproachBucket(ReadOnlySpan<byte> key)
    {
        var tag = store.TagOf(key);
        store.ApproachBucket(tag);
        return hintMark | tag;
    }

    /// <summary>Second step.</summary>
    internal int ApproachNode(ulong hint) => store.ApproachNode((uint)hint);

    /// <summary>Third step, to be taken again with the node that it returns, if any.</summary>
    internal int ApproachRecord(ulong hint, int node) => store.ApproachRecord((uint)hint, node);

    /// <summary>Acts on gets of this partition's keys, from the first on and as many as the sink has room for, like <see cref="Execute"/> on each.</summary>
    /// <param name="input">Where the keys lie.</param>
    /// <param name="keys">The keys; what became of each is noted there.</param>
    /// <param name="now">The time.</param>
    /// <param name="sink">Takes the answers; it has room for the first.</param>
    /// <param name="ticket">What the sink knows the first by.</param>
    /// <returns>How many were acted on.</returns>
    internal int ExecuteGets(ReadOnlySpan<byte> input, Span<KeyHint> keys, long now, IBatchSink sink, long ticket)
    {
        Advance(now);
        for (var i = 0; i < keys.Length; i++)
        {
            if (i > 0 && !sink.HasRoom)
            {
                return i;
            }

            ref var hint = ref keys[i];
            var key = input.Slice(hint.Start, hint.Length);
            var tag = (hint.IndexHint & HintMarkBits) == hintMark ? (uint)hint.IndexHint : store.TagOf(key);
            var node = FindLive(key, tag);
            LastAccess = AccessKind.Hit;
            if (node != NodeTable.None)
            {
                if ((uint)hint.Hash < sampleBelow)
                {
                    Sample(PolicySampleKind.Read, hint.Hash, node);
                }

                Hit(node, sink, ticket + i);
            }
            else
            {
                hint.IndexHint = hintMark | tag;
                ExecuteOnKey(hint.ToGet(input), sink, ticket + i);
            }

            hint.Access = LastAccess;
        }

        return keys.Length;
    }
}
