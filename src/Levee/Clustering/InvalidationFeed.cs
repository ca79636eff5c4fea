using System.Buffers.Binary;
using System.Text;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Clustering;

/// <summary>
/// Collects what near caches must forget, to be sent in batches. Within a batch there is no order and nothing twice: a batch is read after everything in it has happened, so whoever reads it forgets it all.
/// What does not fit becomes one mark, "forget everything". Safe for threads; the lock is held for one insertion.
/// <para>
/// Batches of a feed are numbered; whoever misses one must forget everything (<see cref="InvalidationCursor"/>). So that a last batch that was lost is missed too, an empty one is sent now and then (<see cref="Beat"/>). Layout, little endian: version (1 byte), 1 for "everything" else 0 (1), source (8), sequence (8),
/// number of hashes (2), bytes of tags (2), number of partitions (2); then the hashes (8 each), the tags as a <see cref="TagList"/>, and the cleared partitions (2 each). Always shorter than <see cref="BatchBytes"/>.
/// </para>
/// </summary>
public sealed class InvalidationFeed : IInvalidationListener
{
    /// <summary>Every batch is shorter than this, in bytes.</summary>
    public const int BatchBytes = 32 * 1024;

    /// <summary>Most keys in a batch.</summary>
    public const int MaxKeys = 3072;

    internal const byte Version = 1;
    internal const int HeadBytes = 24;

    private const int MaxTagsBytes = 4 * 1024;

    private readonly Lock gate = new();
    private readonly int capacity;
    private readonly HashSet<ulong> hashes;
    private readonly HashSet<string> tags = new(StringComparer.Ordinal);
    private readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> tagLookup;
    private readonly SortedSet<int> cleared = [];
    private int tagsBytes;
    private bool isEverything;
    private long sequence;
    private long overflows;

    /// <param name="source">Names this feed among all of the cluster, over restarts too: a random number.</param>
    /// <param name="capacity">How many keys a batch holds, 1 to <see cref="MaxKeys"/>.</param>
    public InvalidationFeed(ulong source, int capacity = MaxKeys)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, MaxKeys);
        Source = source;
        this.capacity = capacity;
        hashes = new HashSet<ulong>(capacity);
        tagLookup = tags.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>The feed's number.</summary>
    public ulong Source { get; }

    /// <summary>How often there was more to forget than fits into a batch.</summary>
    public long Overflows => Interlocked.Read(ref overflows);

    /// <inheritdoc/>
    public void Changed(ulong hash)
    {
        lock (gate)
        {
            if (isEverything || (hashes.Count == capacity && !hashes.Contains(hash)))
            {
                Overflow();
                return;
            }

            hashes.Add(hash);
        }
    }

    /// <summary>Where keys lie is not looked at: a near cache forgets what carries the tag, wherever it came from.</summary>
    public void TagRemoved(int partition, ReadOnlySpan<byte> tag)
    {
        if (tag.IsEmpty || tag.Length > Limits.MaxTagBytes)
        {
            return; // No entry carries such a tag.
        }

        // One character for each byte: a tag need not be UTF-8.
        Span<char> text = stackalloc char[Limits.MaxTagBytes];
        Encoding.Latin1.GetChars(tag, text);
        lock (gate)
        {
            if (isEverything || tagLookup.Contains(text[..tag.Length]))
            {
                return;
            }

            if (tag.Length + 1 > MaxTagsBytes - tagsBytes)
            {
                Overflow();
                return;
            }

            tagLookup.Add(text[..tag.Length]);
            tagsBytes += tag.Length + 1;
        }
    }

    /// <inheritdoc/>
    public void Cleared(int partition)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(partition);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(partition, PartitionPlan.MaxPartitions);
        lock (gate)
        {
            if (!isEverything)
            {
                cleared.Add(partition);
            }
        }
    }

    /// <summary>What is to be forgotten cannot be told any more, for example as a partition came from another machine: everything.</summary>
    public void ForgetEverything()
    {
        lock (gate)
        {
            BecomeEverything();
        }
    }

    /// <summary>Takes all that is to be forgotten, packed for <see cref="InvalidationReader"/>.</summary>
    /// <returns>Whether there was anything.</returns>
    public bool TryTake(out byte[] batch)
    {
        lock (gate)
        {
            if (!isEverything && hashes.Count == 0 && tags.Count == 0 && cleared.Count == 0)
            {
                batch = [];
                return false;
            }

            batch = Take();
            return true;
        }
    }

    /// <summary>Takes a batch though there may be nothing to forget: its number tells who missed the one before.</summary>
    public byte[] Beat()
    {
        lock (gate)
        {
            return Take();
        }
    }

    private byte[] Take()
    {
        var batch = Pack();
        isEverything = false;
        Empty();
        return batch;
    }

    private byte[] Pack()
    {
        var batch = new byte[HeadBytes + (8 * hashes.Count) + tagsBytes + (2 * cleared.Count)];
        batch[0] = Version;
        batch[1] = isEverything ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt64LittleEndian(batch.AsSpan(2), Source);
        BinaryPrimitives.WriteInt64LittleEndian(batch.AsSpan(10), ++sequence);
        BinaryPrimitives.WriteUInt16LittleEndian(batch.AsSpan(18), (ushort)hashes.Count);
        BinaryPrimitives.WriteUInt16LittleEndian(batch.AsSpan(20), (ushort)tagsBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(batch.AsSpan(22), (ushort)cleared.Count);
        var rest = batch.AsSpan(HeadBytes);
        foreach (var hash in hashes)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(rest, hash);
            rest = rest[8..];
        }

        foreach (var tag in tags)
        {
            rest = rest[TagList.Write(rest, Encoding.Latin1.GetBytes(tag))..];
        }

        foreach (var partition in cleared)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(rest, (ushort)partition);
            rest = rest[2..];
        }

        return batch;
    }

    private void Overflow()
    {
        overflows += isEverything ? 0 : 1;
        BecomeEverything();
    }

    private void BecomeEverything()
    {
        if (!isEverything)
        {
            isEverything = true;
            Empty();
        }
    }

    private void Empty()
    {
        hashes.Clear();
        tags.Clear();
        cleared.Clear();
        tagsBytes = 0;
    }
}
