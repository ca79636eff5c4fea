namespace Levee.Partitions;

/// <summary>What one slice of taking memory down did.</summary>
/// <param name="Evicted">Entries that left memory, dead ones included; 0: nothing is left, or the tiers have no room now.</param>
/// <param name="Entries">Those of them that the tiers were given, or have already.</param>
/// <param name="Bytes">Keys and values of all that left memory.</param>
public readonly record struct TakenDown(int Evicted, long Entries, long Bytes);
