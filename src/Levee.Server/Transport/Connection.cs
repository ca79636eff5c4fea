using System.Buffers;
using System.Net;

namespace Levee.Server.Transport;

/// <summary>What has happened to a connection since its owner last looked.</summary>
[Flags]
internal enum Signals
{
    None = 0,
    Arrived = 1 << 0,
    Woken = 1 << 1,
    Turn = 1 << 2,
    Readable = 1 << 3,
    Writable = 1 << 4,
    HungUp = 1 << 5,
    Overdue = 1 << 6,
    Stopping = 1 << 7,
    Abort = 1 << 8,

    /// <summary>An owner is at work (portable transport only).</summary>
    Running = 1 << 9,

    /// <summary>An asynchronous send has completed (portable transport only).</summary>
    SendCompleted = 1 << 10,

    /// <summary>The staging area has room again.</summary>
    Room = 1 << 11,

    /// <summary>The staging area wants back what the connection holds.</summary>
    GiveWay = 1 << 12,
}

/// <summary>What a connection wants to hear from its socket.</summary>
[Flags]
internal enum Interest
{
    None = 0,
    Read = 1,
    Write = 2,
}

/// <summary>
/// One connection between its socket and its conversation: what both transports have in common.
/// <para>
/// The owner (an epoll loop, or whoever runs the portable connection) calls <see cref="Handle"/> with what happened, and nobody else calls anything but
/// <see cref="Post"/> and <see cref="Wake"/>. Handle acts on the signals, then settles: it sends what there is to send, looks at the conversation's state, and says
/// what it wants to hear next.
/// </para>
/// <para>
/// Input is received into a buffer that the owner lends, shared by all its connections. Only what the conversation leaves over is copied to a pooled buffer of
/// the connection, given back as soon as it is empty: an idle connection holds none. New input goes behind what was kept: in the lent buffer when what was kept is small,
/// in the connection's own when it is large, so a large value is not copied again for each piece that arrives.
/// </para>
/// <para>
/// What a connection holds (kept input, and what its conversation holds) is counted in the <see cref="StagingArea"/> after each turn. Where
/// that is full, a connection reads no more than its free
/// part, or waits, and one that stalls gives way.
/// </para>
/// </summary>
internal abstract class Connection(ConnectionLedger ledger, EndPoint? remote) : IWaker, IStagingOwner
{
    /// <summary>Receive and Send: not now, a signal will come.</summary>
    protected const int NotNow = -1;

    /// <summary>Receive and Send: the connection is broken.</summary>
    protected const int Broken = -2;

    /// <summary>Least room behind kept input before a receive into the connection's own buffer.</summary>
    private const int LeastRoomBytes = 16 * 1024;

    /// <summary>Most bytes sent in one turn: a fast reader of endless output lets the others have theirs.</summary>
    private const int TurnSendBytes = 1024 * 1024;

    /// <summary>Least room of a receive while the staging area is full.</summary>
    private const int LeastReadBytes = 512;

    private readonly ConnectionLedger ledger = ledger;
    private IConversation? conversation;
    private int signals;
    private Phase phase;
    private ConversationState state;
    private bool ended;
    private bool turnDue;
    private byte[]? kept;
    private int keptStart;
    private int keptCount;
    private long lastArrival;
    private long blockedSince;
    private bool isHandling;
    private StagingHolder? staged;
    private int movedBytes;

    private enum Phase : byte
    {
        New,
        Open,

        /// <summary>The transport stops: nothing is read, what is unsent is sent.</summary>
        Draining,

        /// <summary>All is sent and the conversation is over; input is dropped until the client has seen the end.</summary>
        Lingering,
        Closed,
    }

    public EndPoint? Remote { get; } = remote;

    public bool IsClosed => phase == Phase.Closed;

    /// <summary>What the socket was last asked to report.</summary>
    protected Interest Awaited { get; set; }

    public void Wake() => Post(Signals.Woken);

    void IStagingOwner.Resume() => Post(Signals.Room);

    void IStagingOwner.GiveWay(bool isAtOnce)
    {
        if (!isAtOnce || isHandling || !TryHandleNow(Signals.GiveWay))
        {
            Post(Signals.GiveWay);
        }
    }

    /// <summary>Tells the owner; from any thread.</summary>
    public void Post(Signals signal)
    {
        if (TryPostFirst(signal))
        {
            Schedule();
        }
    }

    /// <summary>Takes the signals that were posted, leaving <paramref name="left"/> in their place.</summary>
    public Signals TakeSignals(Signals left = Signals.None) => (Signals)Interlocked.Exchange(ref signals, (int)left);

    /// <summary>Posts; true when nothing was posted and nobody runs, so that the caller must see to it that somebody does.</summary>
    protected bool TryPostFirst(Signals signal) => Interlocked.Or(ref signals, (int)signal) == 0;

    /// <summary>Ends a turn that began with leaving Running in place; false when signals came meanwhile.</summary>
    protected bool TryRest() => Interlocked.CompareExchange(ref signals, 0, (int)Signals.Running) == (int)Signals.Running;

    /// <summary>Acts on what happened. Owner only.</summary>
    /// <param name="happened">What happened; several at once is usual.</param>
    /// <param name="lent">Room to receive into, for this call.</param>
    /// <param name="now">The clock, as read by the owner when it last woke.</param>
    public void Handle(Signals happened, Span<byte> lent, long now)
    {
        if (phase == Phase.Closed)
        {
            return;
        }

        isHandling = true;
        try
        {
            if (phase == Phase.Open && happened == Signals.Readable)
            {
                Receive(lent, now);     // nearly always this, and nothing else
            }
            else
            {
                HandleRest(happened, lent, now);
            }

            if (phase is Phase.Open or Phase.Draining)
            {
                Settle(lent, now);
            }

            Stage();
        }
        catch (Exception e)
        {
            TransportLog.ConversationFailed(ledger.Logger, Remote, e);
            Close("conversation failed");
        }

        isHandling = false;
    }

    /// <summary>Whether a limit of time has run out. A guess when not asked by the owner: post <see cref="Signals.Overdue"/> to have it acted on.</summary>
    public bool IsOverdue(long now) => phase switch
    {
        Phase.Lingering => now - lastArrival >= ledger.LingerTicks,
        Phase.Open or Phase.Draining when blockedSince != 0 => ledger.SendTicks > 0 && now - blockedSince >= ledger.SendTicks,
        Phase.Open when state == ConversationState.Reading => ledger.IdleTicks > 0 && now - lastArrival >= ledger.IdleTicks,
        _ => false,
    };

    /// <summary>Makes the owner call <see cref="Handle"/> with the posted signals, soon.</summary>
    protected abstract void Schedule();

    /// <summary>
    /// Handles a signal at once where this is the owner's thread. No turn of this connection is under way, and nobody uses the lent room.
    /// </summary>
    protected virtual bool TryHandleNow(Signals signal) => false;

    /// <summary>Receives what is there: how many bytes, 0 at the client's end of the stream, <see cref="NotNow"/> or <see cref="Broken"/>.</summary>
    protected abstract int Receive(Span<byte> room);

    /// <summary>Sends what the socket takes: how many bytes, <see cref="NotNow"/> or <see cref="Broken"/>. After NotNow the same bytes are offered again.</summary>
    protected abstract int Send(ReadOnlySpan<byte> bytes);

    /// <summary>Asks the socket to report <paramref name="interest"/>, and nothing else, from now on. A hang-up is always reported.</summary>
    protected abstract void Await(Interest interest);

    /// <summary>Tells the client that nothing more will come.</summary>
    protected abstract void EndSending();

    /// <summary>Closes the socket.</summary>
    protected abstract void Release();

    private void HandleRest(Signals happened, Span<byte> lent, long now)
    {
        if ((happened & Signals.HungUp) != 0)
        {
            Close("reset by client");
        }
        else if ((happened & Signals.Abort) != 0)
        {
            CloseByLimit($"not drained within {ledger.Limits.DrainTimeout.TotalSeconds} s");
        }
        else if ((happened & Signals.Overdue) != 0 && IsOverdue(now))
        {
            CloseOverdue();
        }
        else if ((happened & Signals.GiveWay) != 0 && phase is Phase.Open or Phase.Draining && !TryGiveWay())
        {
            CloseByLimit(StagingArea.GaveWay);
        }
        else if (phase == Phase.Lingering)
        {
            if ((happened & Signals.Stopping) != 0 || ((happened & Signals.Readable) != 0 && DropInput(lent)))
            {
                Close("closed by server");
            }
            else
            {
                Await(Interest.Read);
            }
        }
        else if (phase != Phase.New || Begin(now))
        {
            Converse(happened, lent, now);
        }
    }

    /// <summary>
    /// Lets go of what the staging area wants back. What the conversation says to it is sent, unless there is other output that the client
    /// does not take.
    /// </summary>
    private bool TryGiveWay()
    {
        staged!.Revive();
        return HeldBytes <= StagingArea.FreeBytes || (blockedSince == 0 && conversation!.TryGiveWay());
    }

    private long HeldBytes => (kept?.Length ?? 0) + (conversation?.HeldBytes ?? 0);

    /// <summary>Counts what is held after this turn.</summary>
    private void Stage()
    {
        var held = HeldBytes;
        if (held > StagingArea.FreeBytes)
        {
            staged ??= new StagingHolder(ledger.Staging, this);
        }

        staged?.Hold(held, movedBytes, blockedSince != 0 || (state == ConversationState.Reading && !staged.IsWaiting));
        movedBytes = 0;
    }

    private bool Begin(long now)
    {
        conversation = ledger.Converse(this);
        lastArrival = now;
        phase = Phase.Open;
        if (conversation is null)
        {
            Close("refused");
            return false;
        }

        return true;
    }

    private void Converse(Signals happened, Span<byte> lent, long now)
    {
        if ((happened & Signals.Stopping) != 0)
        {
            phase = Phase.Draining;
        }

        if ((happened & Signals.Woken) != 0)
        {
            conversation!.Continue();
        }

        if ((happened & Signals.Turn) != 0)
        {
            turnDue = false;
            var current = conversation!.State;
            if (phase == Phase.Open && (current == ConversationState.Yielded || (current == ConversationState.Reading && keptCount > 0)))
            {
                OfferKept();
            }
        }

        if ((happened & Signals.Readable) != 0 && phase == Phase.Open)
        {
            Receive(lent, now);
        }
    }

    private void Receive(Span<byte> lent, long now)
    {
        // A report from before the state changed, or one whose turn is yet to come.
        if (state != ConversationState.Reading || turnDue || ended)
        {
            return;
        }

        var most = int.MaxValue;
        if (ledger.Staging.IsFull)
        {
            if (staged is { Bytes: > 0 } && !staged.MayGrow())
            {
                return;
            }

            most = staged is { Bytes: > 0 } ? most : Math.Max(LeastReadBytes, StagingArea.FreeBytes - keptCount);
        }

        var isLent = keptCount <= lent.Length / 2;
        var room = isLent ? RoomBehindKept(lent) : RoomInOwn();
        var count = Receive(room.Length <= most ? room : room[..most]);
        switch (count)
        {
            case > 0:
                lastArrival = now;
                movedBytes += count;
                var input = isLent ? lent[..(keptCount + count)] : kept.AsSpan(keptStart, keptCount + count);
                Keep(input, Consume(input), isLent);
                break;
            case 0:
                ended = true;
                break;
            case Broken:
                Close("reset by client");
                break;
        }
    }

    private int Consume(ReadOnlySpan<byte> input)
    {
        var consumed = conversation!.Consume(input);
        return (uint)consumed <= (uint)input.Length
            ? consumed
            : throw new InvalidOperationException($"A conversation consumed {consumed} of {input.Length} bytes.");
    }

    private Span<byte> RoomBehindKept(Span<byte> lent)
    {
        kept.AsSpan(keptStart, keptCount).CopyTo(lent);
        return lent[keptCount..];
    }

    private Span<byte> RoomInOwn()
    {
        if (kept!.Length - keptStart - keptCount < LeastRoomBytes)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(keptCount * 2, keptCount + LeastRoomBytes));
            kept.AsSpan(keptStart, keptCount).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(kept);
            kept = larger;
            keptStart = 0;
        }

        return kept.AsSpan(keptStart + keptCount);
    }

    private void OfferKept()
    {
        var input = kept.AsSpan(keptStart, keptCount);
        Keep(input, Consume(input), isLent: false);
    }

    private void Keep(ReadOnlySpan<byte> input, int consumed, bool isLent)
    {
        var rest = input[consumed..];
        keptCount = rest.Length;
        if (rest.IsEmpty)
        {
            Forget();
            return;
        }

        if (!isLent)
        {
            keptStart += consumed;
            return;
        }

        if (kept is null || kept.Length < rest.Length)
        {
            Forget();
            kept = ArrayPool<byte>.Shared.Rent(rest.Length);
            keptCount = rest.Length;
        }

        keptStart = 0;
        rest.CopyTo(kept);
    }

    private void Forget()
    {
        if (kept is not null)
        {
            ArrayPool<byte>.Shared.Return(kept);
            kept = null;
        }

        keptStart = 0;
        keptCount = 0;
    }

    private void Settle(Span<byte> lent, long now)
    {
        var isBlocked = !Flush(now);
        if (phase == Phase.Closed)
        {
            return;
        }

        var before = state;
        state = conversation!.State;
        var resumed = before == ConversationState.Paused && state != ConversationState.Paused;
        if (resumed)
        {
            lastArrival = now;      // the client's silence while nothing was read is not idleness
        }

        // What was kept while paused may be whole commands, and nothing may ever arrive behind them.
        var wantsTurn = phase == Phase.Open && (state == ConversationState.Yielded || (resumed && state == ConversationState.Reading && keptCount > 0));
        if (wantsTurn && !turnDue)
        {
            turnDue = true;
            Post(Signals.Turn);
        }

        if (!isBlocked && ReasonToEnd() is { } reason)
        {
            End(reason, lent, now);
            return;
        }

        if (isBlocked)
        {
            conversation.Compact();
        }

        var reads = phase == Phase.Open && !ended && staged is not { IsWaiting: true } && state switch
        {
            ConversationState.Reading => true,
            ConversationState.Yielded => (Awaited & Interest.Read) != 0,    // leave it: changing costs more than an event too many
            _ => false,
        };
        var interest = (reads ? Interest.Read : Interest.None) | (isBlocked ? Interest.Write : Interest.None);
        if (interest != Awaited)
        {
            Await(interest);
        }
    }

    /// <summary>Sends what there is; false when some is left for later.</summary>
    private bool Flush(long now)
    {
        var sentBytes = 0;
        while (true)
        {
            var unsent = conversation!.Unsent;
            if (unsent.IsEmpty)
            {
                blockedSince = 0;
                return true;
            }

            var count = sentBytes < TurnSendBytes ? Send(unsent) : NotNow;
            if (count == Broken)
            {
                Close("reset by client");
                return true;
            }

            if (count > 0)
            {
                sentBytes += count;
                movedBytes += count;
                conversation.Sent(count);
            }

            if (count < unsent.Length)
            {
                // Less than all means that the socket is full: asking again would only be told so.
                blockedSince = blockedSince == 0 || sentBytes > 0 ? Math.Max(now, 1) : blockedSince;
                return false;
            }
        }
    }

    private string? ReasonToEnd()
    {
        if (state == ConversationState.Closing)
        {
            return "closed by server";
        }

        if (phase == Phase.Draining)
        {
            return conversation!.HasPending ? null : "server stopped";
        }

        return ended && state == ConversationState.Reading && !turnDue && !conversation!.HasPending ? "closed by client" : null;
    }

    /// <summary>Ends the conversation; the socket follows when the client has seen the end, since closing a socket with unread input resets it and can destroy replies.</summary>
    private void End(string reason, Span<byte> lent, long now)
    {
        EndSending();
        if (ended || DropInput(lent) || phase == Phase.Draining)
        {
            Close(reason);
            return;
        }

        phase = Phase.Lingering;
        lastArrival = now;
        Part(reason);
        Forget();
        Await(Interest.Read);
    }

    /// <summary>Drops what has arrived; true when the client has closed as well.</summary>
    private bool DropInput(Span<byte> lent)
    {
        // Bounded, so that a client that never stops sending does not hold the loop.
        for (var i = 0; i < 16; i++)
        {
            var count = Receive(lent);
            if (count <= 0)
            {
                return count != NotNow;
            }
        }

        return false;
    }

    private void CloseOverdue()
    {
        if (phase == Phase.Lingering)
        {
            Close("closed by server");
        }
        else if (blockedSince != 0)
        {
            CloseByLimit($"took nothing of its output for {ledger.Limits.SendTimeout.TotalSeconds} s");
        }
        else
        {
            CloseByLimit($"idle for {ledger.Limits.IdleTimeout.TotalSeconds} s");
        }
    }

    private void CloseByLimit(string reason)
    {
        ledger.CountLimitClosure();
        TransportLog.ClosedByLimit(ledger.Logger, Remote, reason);
        Close(reason);
    }

    private void Close(string reason)
    {
        if (phase == Phase.Closed)
        {
            return;
        }

        phase = Phase.Closed;
        Part(reason);
        Forget();
        staged?.Hold(0, 0, awaitsClient: false);
        Release();
        ledger.Leave();
    }

    private void Part(string reason)
    {
        if (conversation is null)
        {
            return;
        }

        TransportLog.Closed(ledger.Logger, Remote, reason);
        try
        {
            conversation.Closed(reason);
        }
        catch (Exception e)
        {
            TransportLog.ConversationFailed(ledger.Logger, Remote, e);
        }

        conversation = null;
    }
}
