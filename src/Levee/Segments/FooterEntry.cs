namespace Levee.Segments;

/// <summary>A record in a segment's footer.</summary>
/// <param name="Hash">The record's hash.</param>
/// <param name="Offset">Where it begins in the segment.</param>
/// <param name="Length">Its length, without padding.</param>
/// <param name="ExpiresAtSeconds">As in <see cref="IndexEntry"/>.</param>
/// <param name="Type">An entry or a tombstone; the footer holds other records whole.</param>
public readonly record struct FooterEntry(ulong Hash, int Offset, int Length, uint ExpiresAtSeconds, TierRecordType Type);
