using System.Globalization;

namespace Levee.Tiers.Segments;

/// <summary>Where a segment's bytes are.</summary>
internal enum SegmentHome
{
    /// <summary>Records are appended to it, in a mapped file.</summary>
    Open,

    /// <summary>Complete but for its footer, in a mapped file, on its way to the store.</summary>
    Staged,

    /// <summary>In the store.</summary>
    Stored,
}

/// <summary>What the tier knows of one segment.</summary>
internal sealed class SegmentInfo(long sequence, string name, long openedAtMs)
{
    public long Sequence { get; } = sequence;

    /// <summary>Its name in the store.</summary>
    public string Name { get; } = name;

    /// <summary>Nothing in it was taken in before this.</summary>
    public long OpenedAtMs { get; } = openedAtMs;

    public SegmentHome Home { get; set; }

    /// <summary>Its bytes while they are on this machine.</summary>
    public OpenSegment? Local { get; set; }

    /// <summary>Where its records can be marked void; null: nowhere, as it was written before there was such a thing.</summary>
    public VoidMap? Voids { get; init; }

    /// <summary>What it takes of the capacity.</summary>
    public long Length { get; set; }

    /// <summary>Where its records end and its footer begins.</summary>
    public long RecordsEnd { get; set; }

    /// <summary>How many records it holds, dead ones and control records included.</summary>
    public int Records { get; set; }

    /// <summary>Bytes of records that the index points at.</summary>
    public long LiveBytes { get; set; }

    /// <summary>Its footer cannot be read: it is not cleaned.</summary>
    public bool IsUnreadable { get; set; }

    /// <summary>A Retired record is logged: nothing in it holds any more.</summary>
    public bool IsRetired { get; set; }

    public static string NameOf(string cache, Guid generation, long sequence) =>
        string.Create(CultureInfo.InvariantCulture, $"{PrefixOf(cache, generation)}{sequence:x8}.seg");

    public static string PrefixOf(string cache, Guid generation) => $"{cache}/{generation:N}/";

    /// <summary>The sequence number in the last part of an object's name; -1 where it is none.</summary>
    public static long SequenceOf(string name)
    {
        var file = name.AsSpan(name.LastIndexOf('/') + 1);
        return file.EndsWith(".seg", StringComparison.Ordinal) && long.TryParse(file[..^4], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var sequence)
            ? sequence
            : -1;
    }
}

/// <summary>Which segments there are. Owned by the tier's lock.</summary>
internal sealed class SegmentTable
{
    private readonly Dictionary<long, SegmentInfo> segments = [];
    private long lowest = long.MaxValue;

    public int Count => segments.Count;

    /// <summary>What all of them take of the capacity.</summary>
    public long HeldBytes { get; private set; }

    /// <summary>How many wait for the store.</summary>
    public int StagedCount { get; private set; }

    public IEnumerable<SegmentInfo> All => segments.Values;

    /// <summary>The one with the lowest number; null where there is none.</summary>
    public SegmentInfo? Oldest
    {
        get
        {
            if (segments.Count == 0)
            {
                return null;
            }

            if (!segments.ContainsKey(lowest))
            {
                lowest = segments.Keys.Min();
            }

            return segments[lowest];
        }
    }

    public SegmentInfo? Find(long sequence) => segments.GetValueOrDefault(sequence);

    /// <summary>The segment with the lowest number that is not below one; null past the last.</summary>
    public SegmentInfo? AtOrAfter(long sequence)
    {
        SegmentInfo? found = null;
        foreach (var info in segments.Values)
        {
            if (info.Sequence >= sequence && (found is null || info.Sequence < found.Sequence))
            {
                found = info;
            }
        }

        return found;
    }

    public void Add(SegmentInfo info)
    {
        segments.Add(info.Sequence, info);
        lowest = Math.Min(lowest, info.Sequence);
        HeldBytes += info.Length;
        StagedCount += info.Home == SegmentHome.Staged ? 1 : 0;
    }

    public bool Remove(SegmentInfo info)
    {
        if (segments.GetValueOrDefault(info.Sequence) != info)
        {
            return false;
        }

        segments.Remove(info.Sequence);
        HeldBytes -= info.Length;
        StagedCount -= info.Home == SegmentHome.Staged ? 1 : 0;
        return true;
    }

    /// <summary>Says that a segment moved on.</summary>
    public void Move(SegmentInfo info, SegmentHome home, long length)
    {
        HeldBytes += length - info.Length;
        StagedCount += (home == SegmentHome.Staged ? 1 : 0) - (info.Home == SegmentHome.Staged ? 1 : 0);
        info.Home = home;
        info.Length = length;
    }

    public void Clear()
    {
        segments.Clear();
        lowest = long.MaxValue;
        HeldBytes = 0;
        StagedCount = 0;
    }
}
