namespace Levee.ClusterLoad;

/// <summary>
/// What has happened to one key, and thus what a read of it may give. A key has one writer, which writes one version after the other (1, 2, 3 ...; a delete is a version without a value) and goes on when
/// the outcome is known or known to be unknown; any number of readers read meanwhile.
/// </summary>
/// <remarks>
/// <para>The key is a register that may forget: a miss is always allowed. Otherwise a read must not give less than was known when it began: neither a version before the last one acknowledged by then, nor one
/// before what another read had given by then. Known is kept as a <em>position</em>: version v took effect at position 2v; 2v + 1 says that v has been overwritten too, though nobody knows yet when.</para>
/// <para>A write of unknown outcome may take effect once, at any time from its start on, after later writes as well. So it is allowed until it has been read; from then on until a write that began
/// after that read is known to have taken effect.</para>
/// <para>Not thread-safe: the caller holds the key.</para>
/// </remarks>
internal sealed class KeyHistory
{
    private const long NotSeen = long.MaxValue / 4;
    private const int MostEvents = 32;

    private KeyEvent[] events = new KeyEvent[4];
    private List<Doubtful>? doubtful;
    private long known;
    private int eventCount;
    private int readsUnderWay;

    /// <summary>The version of the last write that began; 0: none.</summary>
    public int LastBegun { get; private set; }

    /// <summary>Whether a write is under way: then no other may begin.</summary>
    public bool IsWriting { get; private set; }

    /// <summary>The writer begins to write or delete.</summary>
    /// <returns>The version.</returns>
    public int BeginWrite(bool isDelete, long now)
    {
        if (IsWriting)
        {
            throw new InvalidOperationException("A key has one writer, and it waits for its replies.");
        }

        IsWriting = true;
        LastBegun++;
        Note(isDelete ? KeyEventKind.DeleteBegan : KeyEventKind.WriteBegan, LastBegun, now);
        return LastBegun;
    }

    /// <summary>The write under way was acknowledged.</summary>
    public void Acknowledge(long now)
    {
        IsWriting = false;
        known = Math.Max(known, 2L * LastBegun);
        Note(KeyEventKind.Acknowledged, LastBegun, now);
        Forget();
    }

    /// <summary>The write under way ended without an acknowledgement: it may or may not take effect.</summary>
    public void Doubt(long now)
    {
        IsWriting = false;
        Note(KeyEventKind.Unknown, LastBegun, now);
        if (known < 2L * LastBegun)
        {
            (doubtful ??= []).Add(new Doubtful(LastBegun, NotSeen));
        }
    }

    /// <summary>A read begins.</summary>
    /// <returns>What is known now: given back when the read ends.</returns>
    public long BeginRead()
    {
        readsUnderWay++;
        return known;
    }

    /// <summary>A read ends without a value: a miss, or no answer at all.</summary>
    public void EndRead(bool isMiss, long now)
    {
        readsUnderWay--;
        if (isMiss)
        {
            Note(KeyEventKind.Missed, 0, now);
        }

        Forget();
    }

    /// <summary>A read ends with a version.</summary>
    /// <param name="version">The version read.</param>
    /// <param name="knownAtStart">What <see cref="BeginRead"/> gave.</param>
    /// <param name="now">When it ended.</param>
    public Verdict EndRead(int version, long knownAtStart, long now)
    {
        readsUnderWay--;
        Note(KeyEventKind.Read, version, now);
        var verdict = Judge(version, knownAtStart);
        Forget();
        return verdict;
    }

    /// <summary>Moves what was noted in time: the clock begins anew.</summary>
    public void Shift(long nanoseconds)
    {
        for (var i = 0; i < Math.Min(eventCount, events.Length); i++)
        {
            events[i] = events[i] with { At = events[i].At + nanoseconds };
        }
    }

    /// <summary>The last events, oldest first, one per line.</summary>
    public IEnumerable<string> Describe()
    {
        for (var i = Math.Max(0, eventCount - events.Length); i < eventCount; i++)
        {
            yield return events[i % events.Length].ToString();
        }
    }

    private Verdict Judge(int version, long knownAtStart)
    {
        if (version < 1 || version > LastBegun)
        {
            return Verdict.NeverWritten;
        }

        var place = doubtful?.FindIndex(write => write.Version == version) ?? -1;
        if (2L * version >= knownAtStart)
        {
            known = Math.Max(known, 2L * version);
            See(place);
            return Verdict.Allowed;
        }

        if (place < 0 || knownAtStart >= 2 * (doubtful![place].LastBegunWhenSeen + 1))
        {
            return Verdict.Stale;
        }

        // It took effect after what was known when the read began: that is overwritten.
        known = Math.Max(known, knownAtStart | 1);
        See(place);
        return Verdict.Late;
    }

    private void See(int place)
    {
        if (place >= 0 && doubtful![place].LastBegunWhenSeen == NotSeen)
        {
            doubtful[place] = doubtful[place] with { LastBegunWhenSeen = LastBegun };
        }
    }

    // What no read may give any more need not be kept; a read under way may have begun when it still might.
    private void Forget()
    {
        if (doubtful is not null && readsUnderWay == 0)
        {
            doubtful.RemoveAll(write => write.LastBegunWhenSeen != NotSeen && known >= 2 * (write.LastBegunWhenSeen + 1));
            doubtful = doubtful.Count == 0 ? null : doubtful;
        }
    }

    private void Note(KeyEventKind kind, int version, long now)
    {
        // Most keys are cold: only what much happens to has a long memory.
        if (eventCount == events.Length && events.Length < MostEvents)
        {
            Array.Resize(ref events, 2 * events.Length);
        }

        events[eventCount++ % events.Length] = new KeyEvent(kind, version, now);
    }

    private readonly record struct Doubtful(int Version, long LastBegunWhenSeen);
}

/// <summary>What is to be said of a read.</summary>
internal enum Verdict
{
    Allowed,

    /// <summary>Allowed, as its write had an unknown outcome: it took effect after a later one.</summary>
    Late,

    /// <summary>Older than what was known when the read began.</summary>
    Stale,

    /// <summary>A version that was never written.</summary>
    NeverWritten,
}

internal enum KeyEventKind
{
    WriteBegan,
    DeleteBegan,
    Acknowledged,
    Unknown,
    Read,
    Missed,
}

/// <summary>Something that happened to a key.</summary>
/// <param name="Kind">What.</param>
/// <param name="Version">Of which version; 0: none.</param>
/// <param name="At">When, in nanoseconds since the run began.</param>
internal readonly record struct KeyEvent(KeyEventKind Kind, int Version, long At)
{
    public override string ToString() => $"{At / 1e6,12:0.000} ms  {Kind}{(Version == 0 ? "" : $" {Version}")}";
}
