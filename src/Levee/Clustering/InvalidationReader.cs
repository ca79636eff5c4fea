using System.Buffers.Binary;
using Levee.Operations;

namespace Levee.Clustering;

/// <summary>Reads a batch of an <see cref="InvalidationFeed"/>. What is wrong shows when it is opened; reading throws nothing.</summary>
public ref struct InvalidationReader
{
    private ReadOnlySpan<byte> hashes;
    private ReadOnlySpan<byte> tags;
    private ReadOnlySpan<byte> partitions;

    /// <summary>Opens a batch.</summary>
    /// <exception cref="FormatException">It is damaged or of an unknown version; the message names what is wrong.</exception>
    public InvalidationReader(ReadOnlySpan<byte> batch)
    {
        if (batch.Length is < InvalidationFeed.HeadBytes or >= InvalidationFeed.BatchBytes)
        {
            throw new FormatException($"A batch of invalidations has {batch.Length} bytes; allowed: {InvalidationFeed.HeadBytes} to {InvalidationFeed.BatchBytes - 1}.");
        }

        if (batch[0] != InvalidationFeed.Version || batch[1] > 1)
        {
            throw new FormatException($"A batch of invalidations has version {batch[0]} and mark {batch[1]}; known: version {InvalidationFeed.Version}, marks 0 and 1.");
        }

        IsEverything = batch[1] == 1;
        Source = BinaryPrimitives.ReadUInt64LittleEndian(batch[2..]);
        Sequence = BinaryPrimitives.ReadInt64LittleEndian(batch[10..]);
        var hashesBytes = 8 * BinaryPrimitives.ReadUInt16LittleEndian(batch[18..]);
        int tagsBytes = BinaryPrimitives.ReadUInt16LittleEndian(batch[20..]);
        var partitionsBytes = 2 * BinaryPrimitives.ReadUInt16LittleEndian(batch[22..]);
        if (InvalidationFeed.HeadBytes + hashesBytes + tagsBytes + partitionsBytes != batch.Length)
        {
            throw new FormatException($"A batch of invalidations has {batch.Length} bytes and says {hashesBytes} of hashes, {tagsBytes} of tags and {partitionsBytes} of partitions.");
        }

        if (Sequence is < 1 or long.MaxValue)
        {
            throw new FormatException($"A batch of invalidations has the sequence number {Sequence}.");
        }

        hashes = batch.Slice(InvalidationFeed.HeadBytes, hashesBytes);
        tags = batch.Slice(InvalidationFeed.HeadBytes + hashesBytes, tagsBytes);
        partitions = batch[(InvalidationFeed.HeadBytes + hashesBytes + tagsBytes)..];
        Check(tags);
    }

    /// <summary>Whether everything is to be forgotten.</summary>
    public bool IsEverything { get; }

    /// <summary>The feed.</summary>
    public ulong Source { get; }

    /// <summary>The batch's number in its feed, from 1.</summary>
    public long Sequence { get; }

    /// <summary>Reads the next key to forget, as its routing hash.</summary>
    /// <returns>False at the end.</returns>
    public bool TryReadHash(out ulong hash)
    {
        if (hashes.IsEmpty)
        {
            hash = 0;
            return false;
        }

        hash = BinaryPrimitives.ReadUInt64LittleEndian(hashes);
        hashes = hashes[8..];
        return true;
    }

    /// <summary>Reads the next tag whose entries are to be forgotten.</summary>
    /// <returns>False at the end.</returns>
    public bool TryReadTag(out ReadOnlySpan<byte> tag) => TagList.TryRead(ref tags, out tag);

    /// <summary>Reads the next partition all of whose entries are to be forgotten.</summary>
    /// <returns>False at the end.</returns>
    public bool TryReadPartition(out int partition)
    {
        if (partitions.IsEmpty)
        {
            partition = 0;
            return false;
        }

        partition = BinaryPrimitives.ReadUInt16LittleEndian(partitions);
        partitions = partitions[2..];
        return true;
    }

    private static void Check(ReadOnlySpan<byte> tags)
    {
        while (!tags.IsEmpty)
        {
            int length = tags[0];
            if (length == 0 || length > tags.Length - 1)
            {
                throw new FormatException($"A tag in a batch of invalidations has {length} bytes; allowed: 1 to {tags.Length - 1}.");
            }

            tags = tags[(length + 1)..];
        }
    }
}
