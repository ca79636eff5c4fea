using Levee.Operations;

namespace Levee.Partitions;

/// <summary>When an entry expires.</summary>
/// <param name="At">The instant, in Unix milliseconds; <see cref="Limits.Never"/>: not at all.</param>
/// <param name="SlidingMs">Each use moves the instant to this many milliseconds later; 0: it is fixed.</param>
/// <param name="Cap">What a sliding expiry never passes.</param>
internal readonly record struct Expiry(long At, long SlidingMs = 0, long Cap = 0)
{
    /// <summary>The expiry that a record has.</summary>
    public static Expiry Of(ReadOnlySpan<byte> record)
    {
        var sliding = EntryRecord.Sliding(record);
        return new Expiry(EntryRecord.ExpiresAt(record), sliding, sliding > 0 ? EntryRecord.SlidingCap(record) : 0);
    }
}
