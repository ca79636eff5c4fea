namespace Levee.Tiers.Segments;

/// <summary>What the tier did, counted. Changed under the tier's lock, except for those that are interlocked.</summary>
internal sealed class SegmentCounters
{
    private long hits;
    private long misses;
    private long failures;
    private long reads;
    private long readBytes;
    private double readMs;

    public long Demotions { get; set; }

    public long Drops { get; set; }

    public long CarriedOver { get; set; }

    public long MovedBelow { get; set; }

    public long Cleaned { get; set; }

    public long Reclaimed { get; set; }

    public long Damaged { get; set; }

    public long Writes { get; set; }

    public long WrittenBytes { get; set; }

    public long Deletes { get; set; }

    public long GenerationsGivenUp { get; set; }

    public long Hits => Interlocked.Read(ref hits);

    public long Misses => Interlocked.Read(ref misses);

    public long Failures => Interlocked.Read(ref failures);

    public long Reads => Interlocked.Read(ref reads);

    public long ReadBytes => Interlocked.Read(ref readBytes);

    public double ReadMs => Volatile.Read(ref readMs);

    public void Hit() => Interlocked.Increment(ref hits);

    public void Miss() => Interlocked.Increment(ref misses);

    public void Failure() => Interlocked.Increment(ref failures);

    public void Read(int bytes, double milliseconds)
    {
        Interlocked.Increment(ref reads);
        Interlocked.Add(ref readBytes, Math.Max(bytes, 0));

        // A lost update among readers only weighs one read less.
        Volatile.Write(ref readMs, readMs == 0 ? milliseconds : readMs + (0.05 * (milliseconds - readMs)));
    }
}
