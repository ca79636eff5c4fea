using System.Text;
using Levee.Eviction;

namespace Levee.Partitions;

/// <summary>
/// What a partition takes along besides its entries: all that must be known before the first operation on it.
/// <code>
/// body: epoch 8 · index hash keys 16 · chance 8 · last version 8 · clock 8 · cleared version 8 · target 8 · payload bytes 8
///       policy 1+n · lists 1, of each: number 1, ghosts? 1, nodes 8, weight 8 · tag removals 4, of each: version 8, tag 1+n
/// </code>
/// As long as its tag removals make it; all else is below 1 KiB.
/// </summary>
internal sealed class PartitionHeader
{
    /// <summary>In the middle of a hand-over there are two policies; and there is the prefetch area.</summary>
    private const int MostLists = (2 * EvictionPolicy.MaxLists) + 1;

    /// <summary>The epoch of the owner that wrote it.</summary>
    public required long Epoch { get; init; }

    /// <summary>The keys of the index hash: the tags of ghosts are of no use without.</summary>
    public required (ulong First, ulong Second) HashKeys { get; init; }

    /// <summary>The state of the partition's chance.</summary>
    public required ulong Chance { get; init; }

    /// <summary>The highest version that was given out.</summary>
    public required ulong LastVersion { get; init; }

    /// <summary>The partition's clock, in Unix milliseconds.</summary>
    public required long ClockMs { get; init; }

    /// <summary>What has this version or a lower one was cleared.</summary>
    public required ulong ClearedVersion { get; init; }

    /// <summary>The policy's target, in its unit.</summary>
    public required double Target { get; init; }

    /// <summary>Bytes of keys, values and metadata.</summary>
    public required long PayloadBytes { get; init; }

    /// <summary>The policy's name.</summary>
    public required string Policy { get; init; }

    /// <summary>The policy's lists, in its order.</summary>
    public required IReadOnlyList<HeaderList> Lists { get; init; }

    /// <summary>Tags, a byte a char, and the version up to which they are void.</summary>
    public required IReadOnlyCollection<KeyValuePair<string, ulong>> Tags { get; init; }

    /// <summary>Entries that are to come; some may be dead.</summary>
    public long Entries => Lists.Where(static list => !list.IsGhost).Sum(static list => list.Nodes);

    /// <summary>Ghosts that are to come.</summary>
    public long Ghosts => Lists.Where(static list => list.IsGhost).Sum(static list => list.Nodes);

    /// <summary>The message.</summary>
    public byte[] Write()
    {
        var message = new byte[MoveFrame.HeadBytes + 72 + 1 + Policy.Length + 1 + (Lists.Count * 18) + 4 + Tags.Sum(static tag => 9 + tag.Key.Length)];
        var writer = new MoveWriter(message.AsSpan(MoveFrame.HeadBytes));
        writer.Int64(Epoch);
        writer.UInt64(HashKeys.First);
        writer.UInt64(HashKeys.Second);
        writer.UInt64(Chance);
        writer.UInt64(LastVersion);
        writer.Int64(ClockMs);
        writer.UInt64(ClearedVersion);
        writer.Double(Target);
        writer.Int64(PayloadBytes);
        writer.Byte((byte)Policy.Length);
        writer.Bytes(Encoding.Latin1.GetBytes(Policy));
        writer.Byte((byte)Lists.Count);
        foreach (var list in Lists)
        {
            writer.Byte(list.Home);
            writer.Byte(list.IsGhost ? (byte)1 : (byte)0);
            writer.Int64(list.Nodes);
            writer.Int64(list.Weight);
        }

        writer.Int32(Tags.Count);
        foreach (var (tag, version) in Tags)
        {
            writer.UInt64(version);
            writer.Byte((byte)tag.Length);
            writer.Bytes(Encoding.Latin1.GetBytes(tag));
        }

        MoveFrame.Seal(message, MoveFrameKind.Header);
        return message;
    }

    /// <summary>Reads a message.</summary>
    /// <exception cref="FormatException">It is none, or damaged.</exception>
    public static PartitionHeader Read(ReadOnlySpan<byte> message)
    {
        var reader = new MoveReader(MoveFrame.Open(message, MoveFrameKind.Header));
        var epoch = reader.Int64();
        var keys = (reader.UInt64(), reader.UInt64());
        var chance = reader.UInt64();
        var lastVersion = reader.UInt64();
        var clockMs = reader.Count();
        var clearedVersion = reader.UInt64();
        var target = reader.Double();
        var payload = reader.Count();
        var policy = Encoding.Latin1.GetString(reader.Take(reader.Byte()));
        var lists = new HeaderList[reader.Byte()];
        if (lists.Length > MostLists || !double.IsFinite(target) || target < 0 || clockMs >> 48 != 0 || clearedVersion > lastVersion)
        {
            throw new FormatException($"A partition's header makes no sense: {lists.Length} lists, target {target}, clock {clockMs}, cleared up to {clearedVersion} of {lastVersion}.");
        }

        for (var i = 0; i < lists.Length; i++)
        {
            lists[i] = new HeaderList(reader.Byte(), reader.Byte() != 0, reader.Count(), reader.Count());
        }

        var tagCount = reader.Int32();
        if (tagCount < 0 || tagCount > reader.Left / 9)
        {
            throw new FormatException($"A partition's header says that {tagCount} tag removals follow, in {reader.Left} bytes.");
        }

        var tags = new KeyValuePair<string, ulong>[tagCount];
        for (var i = 0; i < tags.Length; i++)
        {
            var version = reader.UInt64();
            tags[i] = new(Encoding.Latin1.GetString(reader.Take(reader.Byte())), version);
        }

        if (reader.Left != 0)
        {
            throw new FormatException($"A partition's header is followed by {reader.Left} bytes.");
        }

        return new PartitionHeader
        {
            Epoch = epoch,
            HashKeys = keys,
            Chance = chance,
            LastVersion = lastVersion,
            ClockMs = clockMs,
            ClearedVersion = clearedVersion,
            Target = target,
            PayloadBytes = payload,
            Policy = policy,
            Lists = lists,
            Tags = tags,
        };
    }
}

/// <summary>One list of a policy, as a header counts it.</summary>
/// <param name="Home">Its place among its policy's lists, counted from 1; in the middle of a hand-over there are two policies.</param>
/// <param name="IsGhost">Whether it remembers evicted entries.</param>
/// <param name="Nodes">Nodes on it.</param>
/// <param name="Weight">What they weigh, in units of 8 bytes.</param>
internal readonly record struct HeaderList(byte Home, bool IsGhost, long Nodes, long Weight);
