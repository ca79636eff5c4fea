using System.Runtime.Intrinsics;

namespace Levee.Learning;

/// <summary>
/// Finds arithmetic progressions of any stride among the numbers that are missed, however many of them are interleaved, and predicts how they go on.
/// <para>
/// A progression is born when three misses are equally far apart, the older two among the last 32 that belong to none. Of 16 at the most, the one that was continued longest ago makes room. A progression survives gaps of up to
/// three members, at the price of a part of its run; those that come late after all are members too. It is predicted as far ahead as it has run, 2 to twice the lead members, and only after half of what was predicted has been used; and no farther than to members that will be asked
/// for while what is prefetched now is still there, judged by the misses between two members. Those of all progressions together then have room in the prefetch area.
/// </para>
/// <para>Ids are those of <see cref="KeyIds"/>: a prefix in the upper 32 bits, a number in the lower. A progression never leaves its prefix.</para>
/// </summary>
internal sealed class ArithmeticStreams
{
    /// <summary>Buckets of confidence: five classes of runs by four of distances.</summary>
    public const int Buckets = 20;

    private const int Streams = 16;
    private const int Singles = 32;
    private const int GapStrides = 4;
    private const int LeaptMembers = 32;
    private const int Newborns = 4;

    private readonly ulong[] last = new ulong[Streams];
    private readonly long[] stride = new long[Streams];
    private readonly ulong[] ahead = new ulong[Streams];
    private readonly int[] run = new int[Streams];
    private readonly uint[] leapt = new uint[Streams]; // Bit k: the member k + 1 strides before the last was leapt over.
    private readonly long[] missesThen = new long[Streams];
    private readonly long[] continued = new long[Streams];
    private readonly double[] interval = new double[Streams]; // Misses from one member to the next, smoothed.
    private int count;
    private long clock;
    private long misses;

    // The last misses of no progression, as a ring, and how many of them have each of 128 hashes: most searches end there.
    private readonly ulong[] singles = new ulong[Singles];
    private readonly byte[] hashes = new byte[128];
    private int single;
    private int singleCount;

    /// <summary>The memory that it holds, in bytes.</summary>
    public const int MemoryBytes = (Streams * 60) + (Singles * 8) + 128;

    /// <summary>The name of a bucket, for people.</summary>
    public static string NameOf(int bucket) =>
        $"progression, run {Runs[bucket / 4]}, {Distances[bucket % 4]} ahead";

    private static string[] Runs { get; } = ["2", "3-5", "6-15", "16-63", "64+"];

    private static string[] Distances { get; } = ["1-2", "3-8", "9-32", "33+"];

    /// <summary>Learns from an access and predicts what follows it.</summary>
    /// <param name="id">What was accessed.</param>
    /// <param name="isHit">Whether it was an ordinary hit, which continues progressions and begins none.</param>
    /// <param name="lead">Half of the farthest that is predicted, in members.</param>
    /// <param name="horizon">How many would-be misses a prefetched entry stays where it is not used.</param>
    /// <param name="predictions">Takes what is predicted.</param>
    public void Access(ulong id, bool isHit, int lead, int horizon, PredictionList predictions)
    {
        misses += isHit ? 0 : 1;
        if (TryContinue(id, out var stream))
        {
            run[stream]++;
            leapt[stream] <<= 1;
            Pace(stream, 1);
            Advance(stream, id, lead, horizon, predictions);
            return;
        }

        if (isHit)
        {
            return;
        }

        if (TryLeap(id, out stream))
        {
            var members = (int)((long)(id - last[stream]) / stride[stream]);
            run[stream] = run[stream] > 2 ? Math.Max(2, run[stream] * 3 / 4) : run[stream];
            leapt[stream] = (leapt[stream] << members) | ((1u << (members - 1)) - 1);
            Pace(stream, members);
            Advance(stream, id, lead, horizon, predictions);
            return;
        }

        if (IsSingle(id) || TryFallBack(id))
        {
            return;
        }

        if (TryBegin(id, out stream))
        {
            Advance(stream, id, lead, horizon, predictions);
        }

        Remember(id);
    }

    private static int BucketOf(int run, int distance) =>
        ((run < 3 ? 0 : run < 6 ? 1 : run < 16 ? 2 : run < 64 ? 3 : 4) * 4) + (distance < 3 ? 0 : distance < 9 ? 1 : distance < 33 ? 2 : 3);

    private static int HashOf(ulong id) => (int)((id * 0x9E3779B97F4A7C15) >> 57);

    private bool TryContinue(ulong id, out int stream)
    {
        var wanted = Vector256.Create(id);
        for (stream = 0; stream < count; stream += Vector256<ulong>.Count)
        {
            var distance = (wanted - Vector256.LoadUnsafe(ref last[stream])).AsInt64();
            var matches = Vector256.Equals(distance, Vector256.LoadUnsafe(ref stride[stream])).ExtractMostSignificantBits();
            if (matches != 0)
            {
                stream += int.CreateTruncating(uint.TrailingZeroCount(matches));
                return stream < count;
            }
        }

        return false;
    }

    private bool TryLeap(ulong id, out int stream)
    {
        for (stream = 0; stream < count; stream++)
        {
            var distance = (long)(id - last[stream]);
            var step = stride[stream];
            var isNear = step > 0 ? distance > 0 && distance <= GapStrides * step : distance < 0 && distance >= GapStrides * step;
            if (isNear && distance % step == 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a progression has leapt over the id: those who ask side by side ask out of order now and then. It is a member as the others are.</summary>
    private bool TryFallBack(ulong id)
    {
        for (var stream = 0; stream < count; stream++)
        {
            if (leapt[stream] == 0 || (id ^ last[stream]) >> 32 != 0)
            {
                continue;
            }

            var behind = (long)(last[stream] - id);
            var step = stride[stream];
            if (behind % step == 0 && behind / step is > 0 and <= LeaptMembers and var members && (leapt[stream] >> (int)(members - 1) & 1) != 0)
            {
                leapt[stream] &= ~(1u << (int)(members - 1));
                run[stream]++;
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether two misses stand as far apart as the younger and this one.</summary>
    private bool TryBegin(ulong id, out int stream)
    {
        for (var back = 1; back <= singleCount; back++)
        {
            var middle = singles[(single - back) & (Singles - 1)];
            var step = id - middle;
            if ((id ^ middle) >> 32 == 0 && step != 0 && IsSingle(middle - step))
            {
                stream = count < Streams ? count++ : Replaceable();
                stride[stream] = (long)step;
                run[stream] = 2;
                leapt[stream] = 0;
                ahead[stream] = id;
                interval[stream] = 0;
                missesThen[stream] = misses;
                return true;
            }
        }

        stream = -1;
        return false;
    }

    /// <summary>The progression that was continued longest ago, of those that never were if there are some: chance makes many among numbers that lie close together.</summary>
    private int Replaceable()
    {
        var (idle, newborn, newborns) = (0, -1, 0);
        for (var i = 0; i < Streams; i++)
        {
            idle = continued[i] < continued[idle] ? i : idle;
            if (run[i] == 2)
            {
                newborns++;
                newborn = newborn < 0 || continued[i] < continued[newborn] ? i : newborn;
            }
        }

        return newborns >= Newborns ? newborn : idle;
    }

    private bool IsSingle(ulong id) => hashes[HashOf(id)] > 0 && MemoryExtensions.Contains(singles.AsSpan(0, singleCount), id);

    private void Remember(ulong id)
    {
        if (singleCount == Singles)
        {
            hashes[HashOf(singles[single])]--;
        }
        else
        {
            singleCount++;
        }

        singles[single] = id;
        hashes[HashOf(id)]++;
        single = (single + 1) & (Singles - 1);
    }

    private void Pace(int stream, long members)
    {
        var latest = (double)(misses - missesThen[stream]) / members;
        interval[stream] = interval[stream] > 0 ? interval[stream] + ((latest - interval[stream]) / 4) : latest;
        missesThen[stream] = misses;
    }

    private void Advance(int stream, ulong id, int lead, int horizon, PredictionList predictions)
    {
        last[stream] = id;
        continued[stream] = ++clock;
        var step = stride[stream];
        var degree = Math.Clamp(run[stream], 2, Math.Max(2, (int)Math.Min(2 * lead, horizon / Math.Max(interval[stream], 1))));
        var done = Math.Max(0, (long)(ahead[stream] - id) / step);
        if (2 * done > degree)
        {
            return;
        }

        for (var distance = (int)done + 1; distance <= degree; distance++)
        {
            var next = id + (ulong)(distance * step);
            if ((next ^ id) >> 32 != 0)
            {
                break;
            }

            predictions.Add(next, BucketOf(run[stream], distance));
        }

        ahead[stream] = id + (ulong)(degree * step);
    }
}
