using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Levee.Learning;

/// <summary>
/// A log of what was missed, in order, and what followed it the last time: temporal streaming (Wenisch et al., "Practical Off-chip Meta-data for Temporal Memory Streaming", HPCA 2009), with the log of one cache instead of one core.
/// A miss that is in the log already starts a follower behind its last place there. A follower stays as long as one of the eight misses behind its place comes next; the longer it does, the farther ahead it predicts.
/// <para>
/// Positions count appends since the start; position p lies in slot p mod length. The index has half as many places as the log, in buckets of four slots; it is written at every second append, which finds repeated sequences all the
/// same, and when the place that it had is about to be overwritten. What it says is checked against the log. The first eight slots are repeated behind the last, so that eight can be compared at once anywhere.
/// </para>
/// </summary>
internal sealed class MissLog
{
    /// <summary>Buckets of confidence: five classes of followers by four of distances.</summary>
    public const int Buckets = 20;

    /// <summary>What an entry of the log takes with its share of the index, in bytes.</summary>
    public const int EntryBytes = 10;

    /// <summary>The most misses that a log holds.</summary>
    public const int MostLength = (1 << PlaceBits) - Window - 1;

    private const int Followers = 8;
    private const int Window = 8;
    private const int Ways = 4;
    private const int FirstDegree = 4;
    private const int ContextMisses = 4;
    private const int PlaceBits = 27;
    private const double SoonerReturns = 0.02;
    private const double ReachSteps = 1000;

    private readonly ulong[] log;
    private readonly uint[] index; // Slot + 1 and, above it, five bits of the id's hash, so that few other ids are looked at; 0 where there is none.
    private readonly uint bucketCount;
    private readonly int length;
    private readonly Follower[] followers = new Follower[Followers];
    private long head;
    private int headSlot;
    private long clock;
    private double reach;

    /// <param name="length">How many misses it holds, 64 to <see cref="MostLength"/>.</param>
    public MissLog(int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 64);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MostLength);
        this.length = length;
        log = new ulong[length + Window];
        bucketCount = (uint)(length / (2 * Ways));
        index = new uint[bucketCount * Ways];
        Array.Fill(followers, new Follower { Position = -1 });
    }

    /// <summary>How many misses it holds at the most.</summary>
    public int Length => length;

    /// <summary>The memory that it holds, in bytes.</summary>
    public long MemoryBytes => (log.Length * sizeof(ulong)) + (index.Length * sizeof(uint)) + (Followers * Unsafe.SizeOf<Follower>());

    /// <summary>The name of a bucket, for people.</summary>
    public static string NameOf(int bucket) => $"log, {Confidences[bucket / 4]}, {Distances[bucket % 4]} ahead";

    private static string[] Confidences { get; } = ["seen before", "seen in like context", "followed once", "followed 2-5 times", "followed 6+ times"];

    private static string[] Distances { get; } = ["1-2", "3-6", "7-14", "15+"];

    /// <summary>Learns from a would-be miss and predicts what follows it.</summary>
    /// <param name="id">What was missed.</param>
    /// <param name="lead">How many misses ahead are predicted at the most.</param>
    /// <param name="predictions">Takes what is predicted.</param>
    public void Access(ulong id, int lead, PredictionList predictions)
    {
        var before = PlaceByFollower(id, lead, predictions);
        if (before < 0)
        {
            before = Find(id);
            if (before >= 0)
            {
                Begin(before, predictions);
            }
        }

        if (before >= 0)
        {
            LearnReach(head - before);
        }

        var isSoonOverwritten = before >= 0 && head - before > (long)length * 3 / 4;
        Append(id, (head & 1) == 0 || isSoonOverwritten);
    }

    /// <summary>How many misses ago an id was missed last, as far as the index knows; -1 where it is not in it.</summary>
    public long MissesSince(ulong id) => Find(id) is var position && position >= 0 ? head - position : -1;

    /// <summary>
    /// Whether an id was missed so lately that its entry should still be in memory: fewer misses ago than nearly all ids that are missed again were.
    /// </summary>
    public bool IsLikelyResident(ulong id) => MissesSince(id) is var since && since >= 0 && since < reach;

    /// <summary>Takes over the latest misses of another log.</summary>
    public void CopyFrom(MissLog other)
    {
        reach = Math.Min(length, other.reach);
        for (var position = Math.Max(0, other.head - Math.Min(length, other.length)); position < other.head; position++)
        {
            Append(other.log[other.SlotOf(position)], (position & 1) == 0);
        }
    }

    /// <summary>The reach goes where one in fifty returns sooner.</summary>
    private void LearnReach(long since)
    {
        var step = length / ReachSteps;
        reach = since < reach ? Math.Max(0, reach - (step * (1 - SoonerReturns))) : reach + (step * SoonerReturns);
    }

    private static int BucketOf(in Follower follower, long distance)
    {
        var confidence = follower.Confidence switch
        {
            0 => follower.HasContext ? 1 : 0,
            1 => 2,
            < 6 => 3,
            _ => 4,
        };
        return (confidence * 4) + (distance < 3 ? 0 : distance < 7 ? 1 : distance < 15 ? 2 : 3);
    }

    /// <summary>Moves the follower on that awaits the id.</summary>
    /// <returns>The id's position; -1 where no follower awaits it.</returns>
    private long PlaceByFollower(ulong id, int lead, PredictionList predictions)
    {
        for (var i = 0; i < Followers; i++)
        {
            ref var follower = ref followers[i];
            if (follower.Position < 0 || follower.Position + 1 < head - length)
            {
                continue;
            }

            var step = StepTo(id, follower.Position);
            if (step == 0)
            {
                continue;
            }

            follower.Position += step;
            follower.Confidence++;
            follower.Degree = Math.Min(lead, 2 * follower.Degree);
            Follow(ref follower, predictions);
            return follower.Position;
        }

        return -1;
    }

    /// <summary>How far behind a position the id stands, 1 to 8; 0 where it does not.</summary>
    private int StepTo(ulong id, long position)
    {
        var wanted = Vector256.Create(id);
        ref var start = ref log[SlotOf(position + 1)];
        var near = Vector256.Equals(wanted, Vector256.LoadUnsafe(ref start)).ExtractMostSignificantBits();
        var far = Vector256.Equals(wanted, Vector256.LoadUnsafe(ref start, 4)).ExtractMostSignificantBits();
        var matches = near | (far << 4);
        var step = matches == 0 ? 0 : int.CreateTruncating(uint.TrailingZeroCount(matches)) + 1;
        return position + step < head ? step : 0;
    }

    private void Begin(long position, PredictionList predictions)
    {
        var oldest = 0;
        for (var i = 1; i < Followers; i++)
        {
            oldest = followers[i].Used < followers[oldest].Used ? i : oldest;
        }

        followers[oldest] = new Follower { Position = position, Degree = FirstDegree, HasContext = HasContext(position) };
        Follow(ref followers[oldest], predictions);
    }

    /// <summary>Whether one of the misses just before now was also one of those just before a position.</summary>
    private bool HasContext(long position)
    {
        var oldest = Math.Max(0, head - length);
        for (var then = Math.Max(oldest, position - ContextMisses); then < position; then++)
        {
            var missed = log[SlotOf(then)];
            for (var lately = Math.Max(oldest, head - ContextMisses); lately < head; lately++)
            {
                if (log[SlotOf(lately)] == missed)
                {
                    return true;
                }
            }
        }

        return false;
    }

    private void Follow(ref Follower follower, PredictionList predictions)
    {
        follower.Used = ++clock;
        var end = Math.Min(head - 1, follower.Position + follower.Degree);
        for (var next = Math.Max(follower.Ahead, follower.Position) + 1; next <= end; next++)
        {
            predictions.Add(log[SlotOf(next)], BucketOf(follower, next - follower.Position));
        }

        follower.Ahead = Math.Max(follower.Ahead, end);
    }

    private void Append(ulong id, bool isIndexed)
    {
        log[headSlot] = id;
        if (headSlot < Window)
        {
            log[length + headSlot] = id;
        }

        if (isIndexed)
        {
            Note(id, headSlot);
        }

        head++;
        headSlot = headSlot + 1 == length ? 0 : headSlot + 1;
    }

    private int SlotOf(long position)
    {
        var slot = headSlot - (int)(head - position);
        return slot < 0 ? slot + length : slot;
    }

    private int AgeOf(int slot) => headSlot > slot ? headSlot - slot : headSlot - slot + length;

    /// <summary>The id's bucket in the index, and its tag there.</summary>
    private Span<uint> WaysOf(ulong id, out uint tag)
    {
        var hash = id * 0x9E3779B97F4A7C15;
        tag = (uint)hash >> PlaceBits;
        return index.AsSpan((int)(((hash >> 32) * bucketCount) >> 32) * Ways, Ways);
    }

    /// <summary>The slot of an entry of the index where it is the id's; -1 else.</summary>
    private int SlotOf(uint entry, uint tag, ulong id) =>
        entry >> PlaceBits == tag && SlotIn(entry) is var slot and >= 0 && log[slot] == id ? slot : -1;

    /// <summary>The slot that an entry of the index names; -1 where it is empty.</summary>
    private static int SlotIn(uint entry) => (int)(entry & ((1 << PlaceBits) - 1)) - 1;

    private long Find(ulong id)
    {
        var youngest = int.MaxValue;
        foreach (var entry in WaysOf(id, out var tag))
        {
            if (SlotOf(entry, tag, id) is var slot and >= 0)
            {
                youngest = Math.Min(youngest, AgeOf(slot));
            }
        }

        return youngest == int.MaxValue ? -1 : head - youngest;
    }

    private void Note(ulong id, int slot)
    {
        var ways = WaysOf(id, out var tag);
        var chosen = 0;
        var oldest = -1;
        for (var way = 0; way < Ways; way++)
        {
            var entry = ways[way];
            if (entry == 0 || SlotOf(entry, tag, id) >= 0)
            {
                chosen = way;
                break;
            }

            var age = AgeOf(SlotIn(entry));
            if (age > oldest)
            {
                chosen = way;
                oldest = age;
            }
        }

        ways[chosen] = (tag << PlaceBits) | (uint)(slot + 1);
    }

    private struct Follower
    {
        /// <summary>Where it stands; -1 where it is unused.</summary>
        public long Position;

        /// <summary>The farthest position that it has predicted.</summary>
        public long Ahead;

        /// <summary>When it moved last.</summary>
        public long Used;

        /// <summary>How often it moved.</summary>
        public int Confidence;

        /// <summary>How far ahead it predicts.</summary>
        public int Degree;

        /// <summary>Whether it began where the misses before were alike too.</summary>
        public bool HasContext;
    }
}
