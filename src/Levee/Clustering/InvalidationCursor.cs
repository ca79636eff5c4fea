namespace Levee.Clustering;

/// <summary>A near cache's place in one <see cref="InvalidationFeed"/>: notices what was missed. For one thread.</summary>
public sealed class InvalidationCursor
{
    private ulong source;
    private long last;

    /// <summary>Steps over a batch.</summary>
    /// <returns>
    /// Whether everything before it is known. False: forget everything, and then go on. That is so at the first batch too, and where the feed began anew, as nobody knows what was missed.
    /// A batch that comes again is known.
    /// </returns>
    public bool TryFollow(scoped in InvalidationReader batch)
    {
        var isKnown = last > 0 && batch.Source == source && batch.Sequence <= last + 1;
        last = isKnown ? Math.Max(last, batch.Sequence) : batch.Sequence;
        source = batch.Source;
        return isKnown;
    }
}
