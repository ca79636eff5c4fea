namespace Levee.Segments;

/// <summary>What the beginning of a segment says.</summary>
/// <param name="Generation">The generation of the log that it belongs to.</param>
/// <param name="Sequence">Its number in that log.</param>
/// <param name="OpenedAtMs">When it was opened, in Unix milliseconds.</param>
/// <param name="Version">The version of the format.</param>
public readonly record struct SegmentHeader(Guid Generation, long Sequence, long OpenedAtMs, int Version);
