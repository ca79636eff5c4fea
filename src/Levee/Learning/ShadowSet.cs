using System.Numerics;

namespace Levee.Learning;

/// <summary>Predictions that are tested and cost no load: the latest of them, each once, with its bucket and when it was made. The oldest makes room.</summary>
internal sealed class ShadowSet
{
    private const byte NoBucket = byte.MaxValue;

    private readonly ulong[] ids;
    private readonly uint[] times;
    private readonly byte[] buckets;
    private readonly int[] next;
    private readonly int[] heads; // Place + 1; 0 where there is none.
    private int oldest;

    /// <param name="capacity">How many it holds, at least 1.</param>
    public ShadowSet(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ids = new ulong[capacity];
        times = new uint[capacity];
        buckets = new byte[capacity];
        next = new int[capacity];
        heads = new int[(int)BitOperations.RoundUpToPowerOf2((uint)capacity) / 2 + 1];
        Array.Fill(buckets, NoBucket);
    }

    /// <summary>The memory that it holds, in bytes.</summary>
    public long MemoryBytes => (ids.Length * 17L) + (heads.Length * 4L);

    /// <summary>Whether a prediction is being tested.</summary>
    public bool Contains(ulong id) => Find(id) >= 0;

    /// <summary>Adds a prediction that is not in the set.</summary>
    public void Add(ulong id, int bucket, long now)
    {
        if (buckets[oldest] != NoBucket)
        {
            Unlink(oldest);
        }

        ids[oldest] = id;
        times[oldest] = (uint)now;
        buckets[oldest] = (byte)bucket;
        ref var head = ref heads[HeadOf(id)];
        next[oldest] = head;
        head = oldest + 1;
        oldest = oldest + 1 == ids.Length ? 0 : oldest + 1;
    }

    /// <summary>Takes a prediction out.</summary>
    /// <param name="id">What was predicted.</param>
    /// <param name="now">The time.</param>
    /// <param name="bucket">Its bucket.</param>
    /// <param name="age">How long ago it was predicted, at most 2^32 units.</param>
    /// <returns>Whether it was there.</returns>
    public bool TryTake(ulong id, long now, out int bucket, out uint age)
    {
        var place = Find(id);
        if (place < 0)
        {
            bucket = 0;
            age = 0;
            return false;
        }

        bucket = buckets[place];
        age = (uint)now - times[place];
        Unlink(place);
        buckets[place] = NoBucket;
        return true;
    }

    private int HeadOf(ulong id) => (int)((((id * 0x9E3779B97F4A7C15) >> 32) * (ulong)heads.Length) >> 32);

    private int Find(ulong id)
    {
        var place = heads[HeadOf(id)] - 1;
        while (place >= 0 && ids[place] != id)
        {
            place = next[place] - 1;
        }

        return place;
    }

    private void Unlink(int place)
    {
        ref var link = ref heads[HeadOf(ids[place])];
        while (link != place + 1)
        {
            link = ref next[link - 1];
        }

        link = next[place];
    }
}
