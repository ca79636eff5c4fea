namespace Levee.Tiers.Segments;

/// <summary>How a segment tier packs and keeps what it takes in.</summary>
public sealed record SegmentTierOptions
{
    /// <summary>The length of a segment in bytes, 64 KiB to 32 MiB; 0: a 64th of the capacity, at least 1 MiB and at most 8 MiB.</summary>
    public int SegmentBytes { get; init; }

    /// <summary>How long entries may lie in the open segment, on this machine only, before it is sealed although it is not full.</summary>
    public TimeSpan Linger { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How many sealed segments may wait for the store. Beyond that nothing more is taken down; when twice as many wait, the generation is given up.</summary>
    public int MaxStaged { get; init; } = 16;

    /// <summary>Memory for what waits to be written, in bytes.</summary>
    public long BufferBytes { get; init; } = 16 << 20;

    /// <summary>How much of large values may wait by reference, in bytes.</summary>
    public long LargeBytes { get; init; } = 64 << 20;

    /// <summary>At most this part of a segment is carried over when it is reclaimed, so that reclaiming always frees space.</summary>
    public double MaxCarryOver { get; init; } = 0.5;

    /// <summary>A segment in the middle may be cleaned when less than this part of it lives.</summary>
    public double CleanBelow { get; init; } = 0.25;

    /// <summary>Cleaning is considered when more than this part of the oldest segment lives; else that one goes.</summary>
    public double CleanWhenOldestAbove { get; init; } = 0.5;

    /// <summary>Whether nobody else keeps objects of this cache's name in the store: then generations that this tier knows nothing of are deleted too.</summary>
    public bool OwnsStore { get; init; }

    /// <summary>The first wait after a failure of the store; it doubles up to <see cref="MaxBackOff"/>.</summary>
    public TimeSpan BackOff { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest wait between two attempts.</summary>
    public TimeSpan MaxBackOff { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether the tier works by itself. Tests let it work step by step.</summary>
    internal bool RunsLoops { get; init; } = true;

    /// <summary>The length of a segment that is chosen for a capacity.</summary>
    internal static int SegmentBytesFor(long capacityBytes) => (int)Math.Clamp(capacityBytes / 64, 1 << 20, 8 << 20);

    /// <summary>The options with every default chosen.</summary>
    /// <exception cref="TierException">A value is out of its range, or the capacity is too small.</exception>
    internal SegmentTierOptions Resolve(long capacityBytes)
    {
        var segmentBytes = SegmentBytes != 0 ? SegmentBytes : SegmentBytesFor(capacityBytes);
        Check(segmentBytes is >= 64 << 10 and <= 32 << 20, $"A segment of {segmentBytes} bytes; 64 KiB to 32 MiB are possible.");
        Check(capacityBytes >= 4L * segmentBytes, $"A tier of {capacityBytes} bytes is too small; it needs at least {4L * segmentBytes} bytes, four segments.");
        Check(MaxStaged >= 1, $"{MaxStaged} segments may wait for the store; at least 1 must.");
        Check(BufferBytes >= 64 << 10, $"A demotion buffer of {BufferBytes} bytes; at least 64 KiB are needed.");
        Check(MaxCarryOver is >= 0 and <= 0.9, $"{MaxCarryOver} of a segment may be carried over; 0 to 0.9 are possible.");
        return this with { SegmentBytes = segmentBytes };
    }

    private static void Check(bool holds, string message)
    {
        if (!holds)
        {
            throw new TierException(message);
        }
    }
}
