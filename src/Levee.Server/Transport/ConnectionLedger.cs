using Microsoft.Extensions.Logging;

namespace Levee.Server.Transport;

/// <summary>Who is connected to a transport, and its limits in the clock's own units. Shared by all threads of the transport.</summary>
internal sealed class ConnectionLedger
{
    /// <summary>How long a connection that the server has closed goes on taking (and dropping) input, so that a reset does not overtake the last reply.</summary>
    private static readonly TimeSpan LingerTime = TimeSpan.FromSeconds(1);

    private const long DefaultStagingBytes = 64 * 1024 * 1024;

    private readonly ConversationFactory factory;
    private int count;
    private long limitClosures;
    private long refusalLoggedAt;

    public ConnectionLedger(ConversationFactory factory, TransportLimits limits, TimeProvider time, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(factory);
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(logger);
        ArgumentOutOfRangeException.ThrowIfLessThan(limits.MaxConnections, 1);
        this.factory = factory;
        Limits = limits;
        Staging = limits.Staging ?? new StagingArea(DefaultStagingBytes, time);
        Time = time;
        Logger = logger;
        IdleTicks = Ticks(limits.IdleTimeout);
        SendTicks = Ticks(limits.SendTimeout);
        DrainTicks = Ticks(limits.DrainTimeout);
        LingerTicks = Ticks(LingerTime);
        refusalLoggedAt = time.GetTimestamp() - Ticks(TimeSpan.FromSeconds(1));
        var shortest = LingerTime;
        foreach (var limit in (ReadOnlySpan<TimeSpan>)[limits.IdleTimeout, limits.SendTimeout, limits.DrainTimeout])
        {
            shortest = limit > TimeSpan.Zero && limit < shortest ? limit : shortest;
        }

        SweepInterval = TimeSpan.FromMilliseconds(Math.Clamp(shortest.TotalMilliseconds / 4, 5, 1000));
        SweepTicks = Ticks(SweepInterval);
    }

    public TransportLimits Limits { get; }

    public StagingArea Staging { get; }

    public TimeProvider Time { get; }

    public ILogger Logger { get; }

    public long IdleTicks { get; }

    public long SendTicks { get; }

    public long DrainTicks { get; }

    public long LingerTicks { get; }

    /// <summary>How often deadlines are looked at: a quarter of the shortest.</summary>
    public TimeSpan SweepInterval { get; }

    public long SweepTicks { get; }

    public int Count => Volatile.Read(ref count);

    public long LimitClosures => Interlocked.Read(ref limitClosures);

    /// <summary>Takes a place for a new connection; false, and counted, when all are taken.</summary>
    public bool TryEnter()
    {
        if (Interlocked.Increment(ref count) <= Limits.MaxConnections)
        {
            return true;
        }

        Interlocked.Decrement(ref count);
        Interlocked.Increment(ref limitClosures);
        if (MayLogRefusal())
        {
            TransportLog.Refused(Logger, Limits.MaxConnections);
        }

        return false;
    }

    public void Leave() => Interlocked.Decrement(ref count);

    public void CountLimitClosure() => Interlocked.Increment(ref limitClosures);

    /// <summary>Makes the conversation of a connection; null when it is refused or cannot be made.</summary>
    public IConversation? Converse(Connection connection)
    {
        try
        {
            return factory(connection, connection.Remote);
        }
        catch (Exception e)
        {
            TransportLog.ConversationFailed(Logger, connection.Remote, e);
            return null;
        }
    }

    public void AcceptFailed(string error)
    {
        if (MayLogRefusal())
        {
            TransportLog.AcceptFailed(Logger, error);
        }
    }

    private long Ticks(TimeSpan time) => time <= TimeSpan.Zero ? 0 : (long)Math.Min(long.MaxValue / 4, time.TotalSeconds * Time.TimestampFrequency);

    // Refusals come in floods: one line a second says it.
    private bool MayLogRefusal()
    {
        var now = Time.GetTimestamp();
        var last = Interlocked.Read(ref refusalLoggedAt);
        return now - last >= Time.TimestampFrequency && Interlocked.CompareExchange(ref refusalLoggedAt, now, last) == last;
    }
}
