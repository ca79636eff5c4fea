using System.Numerics;
using System.Runtime.InteropServices;

namespace Levee.Learning;

/// <summary>
/// The clairvoyant bound: no policy of the same capacity has more hits. Belady's MIN ("A study of replacement algorithms for a virtual-storage computer",
/// IBM Systems Journal 1966) with bypass: of the entries present and the one that was just read, the one whose next use lies furthest in the future is let go.
/// It needs the whole trace in advance.
/// <para>
/// Every request has one next use, at a position of the trace that no other request shares. So the cache's content is a set of positions: a hit is a request
/// whose own position is in the set. An entry without a next use never gets in, as nothing is lost by letting it go.
/// </para>
/// </summary>
public sealed class OptimalSimulation
{
    private const int Never = -1;
    private const int RequestsPerCheck = 1 << 16;

    private readonly int[] nextUse;

    /// <param name="trace">The keys in order of request.</param>
    /// <param name="unit">What capacities count: entries.</param>
    /// <exception cref="ArgumentException">Capacities in bytes: the bound is not defined there.</exception>
    public OptimalSimulation(ReadOnlySpan<ulong> trace, CapacityUnit unit = CapacityUnit.Entries)
    {
        if (unit == CapacityUnit.Bytes)
        {
            throw new ArgumentException(NoBytes, nameof(unit));
        }

        nextUse = new int[trace.Length];
        var seen = new Dictionary<ulong, int>();
        for (var i = trace.Length - 1; i >= 0; i--)
        {
            ref var later = ref CollectionsMarshal.GetValueRefOrAddDefault(seen, trace[i], out var exists);
            nextUse[i] = exists ? later : Never;
            later = i;
        }
    }

    /// <summary>Why there is no bound for capacities in bytes.</summary>
    public static string NoBytes =>
        "the clairvoyant bound is defined for a capacity in entries: with sizes, letting the entry go that is used last is no longer optimal, and the optimum is NP-hard to compute";

    /// <summary>Length of the trace.</summary>
    public int Requests => nextUse.Length;

    /// <summary>The most hits that any policy can have with a capacity.</summary>
    /// <param name="capacity">In entries, at least 1.</param>
    /// <param name="cancellation">Ends the run early.</param>
    public long Hits(long capacity, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        var awaited = new PositionSet(nextUse.Length);
        var hits = 0L;
        for (var now = 0; now < nextUse.Length; now++)
        {
            if (now % RequestsPerCheck == 0)
            {
                cancellation.ThrowIfCancellationRequested();
            }

            if (awaited.Remove(now))
            {
                hits++;
            }

            var next = nextUse[now];
            if (next == Never)
            {
                continue;
            }

            awaited.Add(next);
            if (awaited.Count > capacity)
            {
                awaited.Remove(awaited.Max());
            }
        }

        return hits;
    }

    /// <summary>A set of positions as bits, with a level above that marks non-empty words, and so on up to one word: the greatest member is found in few steps.</summary>
    private sealed class PositionSet
    {
        private readonly ulong[][] levels;

        public PositionSet(int length)
        {
            var all = new List<ulong[]>();
            do
            {
                length = (length + 63) / 64;
                all.Add(new ulong[Math.Max(1, length)]);
            }
            while (length > 1);
            levels = [.. all];
        }

        public long Count { get; private set; }

        public void Add(int position)
        {
            Count++;
            foreach (var level in levels)
            {
                level[position >> 6] |= 1UL << position;
                position >>= 6;
            }
        }

        public bool Remove(int position)
        {
            if ((levels[0][position >> 6] & (1UL << position)) == 0)
            {
                return false;
            }

            Count--;
            foreach (var level in levels)
            {
                level[position >> 6] &= ~(1UL << position);
                if (level[position >> 6] != 0)
                {
                    break;
                }

                position >>= 6;
            }

            return true;
        }

        public int Max()
        {
            var position = 0;
            for (var i = levels.Length - 1; i >= 0; i--)
            {
                position = (position << 6) | BitOperations.Log2(levels[i][position]);
            }

            return position;
        }
    }
}
