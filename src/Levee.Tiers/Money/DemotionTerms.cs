namespace Levee.Tiers.Money;

/// <summary>On what terms a tier takes entries in at present: measured, not configured.</summary>
public sealed record DemotionTerms
{
    /// <summary>Bytes of a write request: of a segment, which many entries share; 0: each entry is written by a request of its own.</summary>
    public long BytesPerWrite { get; init; }

    /// <summary>Bytes that a read request brings, on average; at least the entry itself.</summary>
    public double BytesPerRead { get; init; }

    /// <summary>Mean time of a read request in milliseconds; 0: none yet.</summary>
    public double ReadMs { get; init; }

    /// <summary>How many hours an entry stays until its place is reclaimed.</summary>
    public double StayHours { get; init; } = 24;
}
