namespace Levee.Server.Transport;

/// <summary>
/// One thread, one epoll instance, level-triggered, and the connections it owns.
/// <para>
/// A round: give each posted connection (new, woken, or out of turn when it yielded) one turn; wait for events, not at all while some are posted; give each reported
/// connection one read. So nobody gets a second turn before everybody had a first. After every few connections, and before it waits, it does what nobody waits for.
/// </para>
/// <para>
/// Posting is a push on a list without a lock. Only if the loop sleeps, or is about to, does the first poster write to its event descriptor; a
/// hundred wakes while it works cost no system call. That descriptor is edge-triggered, so it is never read.
/// </para>
/// <para>Connections are taken in at the start of a round only: a slot freed while events are handled has no new owner before the next wait.</para>
/// </summary>
internal sealed unsafe class EpollLoop : IDisposable
{
    private const long WakeToken = -1;
    private const long ListenerToken = -2;

    /// <summary>So many connections are served before the loop does what nobody waits for: soon enough for what the next ones ask, and not for each of them.</summary>
    private const int EventsBetweenSideWork = 4;

    private const int AcceptBackOffMilliseconds = 100;

    private readonly ConnectionLedger ledger;
    private readonly Func<bool>? sideWork;
    private readonly EpollSet epoll = new();
    private readonly int wakeEvent = EpollSet.Check(Libc.EventCreate(0, Libc.CloseOnExec | Libc.NonBlocking));
    private readonly Lock wakeGate = new();
    private readonly byte[] lent;
    private readonly Stack<int> freeSlots = new();
    private readonly TaskCompletionSource finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource listeningEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread thread;
    private EpollConnection?[] connections = new EpollConnection?[64];
    private int connectionCount;
    private EpollConnection? posted;
    private int isAwake = 1;
    private bool isDisposed;
    private EpollListener? listener;
    private bool isBackingOff;
    private volatile bool unlistenAsked;
    private volatile bool stopAsked;
    private volatile bool abortAsked;
    private bool isStopping;
    private long stopDeadline;
    private long nextSweep;
    private int load;

    public EpollLoop(int number, int readBufferBytes, ConnectionLedger ledger, Func<bool>? sideWork)
    {
        this.ledger = ledger;
        this.sideWork = sideWork;
        lent = GC.AllocateUninitializedArray<byte>(readBufferBytes, pinned: true);
        epoll.Add(wakeEvent, Libc.In | Libc.EdgeTriggered, WakeToken);
        thread = new Thread(Run) { Name = $"levee-io-{number}", IsBackground = true };
    }

    /// <summary>Connections that were given to this loop and are not closed yet.</summary>
    public int Load => Volatile.Read(ref load);

    /// <summary>Completes when the loop has stopped and all its connections are closed.</summary>
    public Task Finished => finished.Task;

    public void Start(EpollListener? ownListener)
    {
        listener = ownListener;
        if (listener is not null)
        {
            epoll.Add(listener.Descriptor, Libc.In, ListenerToken);
        }

        thread.Start();
    }

    /// <summary>Takes an accepted socket over; from any thread.</summary>
    public void Adopt(EpollConnection connection)
    {
        Interlocked.Increment(ref load);
        connection.Post(Signals.Arrived);
    }

    public Task StopListening()
    {
        unlistenAsked = true;
        Signal();
        return listeningEnded.Task;
    }

    public void Stop()
    {
        stopAsked = true;
        Signal();
    }

    public void Abort()
    {
        abortAsked = true;
        Signal();
    }

    public void Push(EpollConnection connection)
    {
        var head = Volatile.Read(ref posted);
        while (true)
        {
            connection.NextPosted = head;
            var seen = Interlocked.CompareExchange(ref posted, connection, head);
            if (seen == head)
            {
                break;
            }

            head = seen;
        }

        Signal();
    }

    /// <summary>Handles a signal of a connection at once; false on another thread than the loop's.</summary>
    public bool TryHandleNow(EpollConnection connection, Signals signal)
    {
        if (Thread.CurrentThread != thread)
        {
            return false;
        }

        connection.Handle(signal, lent, ledger.Time.GetTimestamp());
        return true;
    }

    public void Await(EpollConnection connection, Interest interest) =>
        epoll.Modify(connection.Socket, Flags(interest), connection.Slot);

    public void Release(EpollConnection connection)
    {
        if (connection.Slot >= 0)
        {
            epoll.Remove(connection.Socket);
            connections[connection.Slot] = null;
            freeSlots.Push(connection.Slot);
            connectionCount--;
        }

        _ = Libc.Close(connection.Socket);
        Interlocked.Decrement(ref load);
    }

    public void Dispose()
    {
        // A poster may be between deciding to write and writing: the descriptor must not be another's by then.
        lock (wakeGate)
        {
            if (!isDisposed)
            {
                isDisposed = true;
                _ = Libc.Close(wakeEvent);
            }
        }

        epoll.Dispose();
    }

    private static uint Flags(Interest interest) =>
        ((interest & Interest.Read) != 0 ? Libc.In : 0) | ((interest & Interest.Write) != 0 ? Libc.Out : 0);

    private void Signal()
    {
        if (Interlocked.Exchange(ref isAwake, 1) != 0)
        {
            return;
        }

        lock (wakeGate)
        {
            if (!isDisposed)
            {
                var one = 1L;
                _ = Libc.Write(wakeEvent, &one, sizeof(long));
            }
        }
    }

    private void Run()
    {
        try
        {
            while (Round())
            {
            }

            finished.SetResult();
        }
        catch (Exception e)
        {
            TransportLog.LoopFailed(ledger.Logger, e);
            foreach (var connection in connections)
            {
                connection?.Handle(Signals.Abort, lent, 0);
            }

            listener?.Dispose();
            finished.SetException(e);
        }
        finally
        {
            listeningEnded.TrySetResult();
            Dispose();
        }
    }

    private bool Round()
    {
        var now = ledger.Time.GetTimestamp();
        HandlePosted(now);
        if (unlistenAsked || stopAsked)
        {
            StopWork(now);
            if (isStopping && connectionCount == 0 && Volatile.Read(ref posted) is null)
            {
                return false;
            }
        }

        var hasMore = sideWork is not null && sideWork();
        var count = epoll.Wait(hasMore ? 0 : Timeout());
        Volatile.Write(ref isAwake, 1);
        now = ledger.Time.GetTimestamp();
        for (var i = 0; i < count; i++)
        {
            HandleEvent(epoll.Token(i), epoll.Flags(i), now);
            if (i % EventsBetweenSideWork == EventsBetweenSideWork - 1)
            {
                sideWork?.Invoke();
            }
        }

        if ((count == 0 && !hasMore) || now >= nextSweep)
        {
            Sweep(now);
        }

        return true;
    }

    private int Timeout()
    {
        if (Volatile.Read(ref posted) is not null)
        {
            return 0;
        }

        // Say that we are going to sleep, then look again: who posts after the look sees it and signals.
        Interlocked.Exchange(ref isAwake, 0);
        if (Volatile.Read(ref posted) is not null || (stopAsked && !isStopping) || (abortAsked && connectionCount > 0) || (unlistenAsked && listener is not null))
        {
            return 0;
        }

        return isBackingOff ? AcceptBackOffMilliseconds
            : connectionCount > 0 ? (int)ledger.SweepInterval.TotalMilliseconds
            : -1;
    }

    private void HandlePosted(long now)
    {
        if (Volatile.Read(ref posted) is null)
        {
            return;
        }

        // Posted last comes first; turn it round so that all get their turn in the order they asked.
        EpollConnection? first = null;
        for (var connection = Interlocked.Exchange(ref posted, null); connection is not null;)
        {
            var next = connection.NextPosted;
            connection.NextPosted = first;
            first = connection;
            connection = next;
        }

        while (first is not null)
        {
            var connection = first;
            first = connection.NextPosted;
            connection.NextPosted = null;
            var happened = connection.TakeSignals();    // from here on it may be posted again
            if (connection.Slot < 0 && !connection.IsClosed)
            {
                TakeIn(connection);
            }

            connection.Handle(happened, lent, now);
        }
    }

    private void TakeIn(EpollConnection connection)
    {
        if (!freeSlots.TryPop(out var slot))
        {
            slot = connectionCount;
            if (slot == connections.Length)
            {
                Array.Resize(ref connections, slot * 2);
            }
        }

        connection.Slot = slot;
        connections[slot] = connection;
        connectionCount++;
        epoll.Add(connection.Socket, 0, slot);
        if (isStopping)
        {
            connection.Post(Signals.Stopping);
        }
    }

    private void HandleEvent(long token, uint flags, long now)
    {
        if (token == ListenerToken)
        {
            Accept();
        }
        else if (token >= 0 && connections[token] is { } connection)
        {
            var happened = (flags & (Libc.Error | Libc.HangUp)) != 0 ? Signals.HungUp
                : ((flags & Libc.In) != 0 ? Signals.Readable : Signals.None) | ((flags & Libc.Out) != 0 ? Signals.Writable : Signals.None);
            connection.Handle(happened, lent, now);
        }
    }

    private void Accept()
    {
        if (listener is not null && !listener.Accept())
        {
            // Nothing can be accepted for want of descriptors or memory, and the report would come again at once.
            isBackingOff = true;
            epoll.Modify(listener.Descriptor, 0, ListenerToken);
        }
    }

    private void Sweep(long now)
    {
        nextSweep = now + ledger.SweepTicks;
        if (isBackingOff && listener is not null)
        {
            isBackingOff = false;
            epoll.Modify(listener.Descriptor, Libc.In, ListenerToken);
        }

        var isLate = isStopping && now >= stopDeadline;
        foreach (var connection in connections)
        {
            if (connection is not null && (isLate || connection.IsOverdue(now)))
            {
                connection.Handle(isLate ? Signals.Abort : Signals.Overdue, lent, now);
            }
        }
    }

    private void StopWork(long now)
    {
        if (listener is not null)
        {
            epoll.Remove(listener.Descriptor);
            listener.Dispose();
            listener = null;
            isBackingOff = false;
            listeningEnded.SetResult();
        }

        if (stopAsked && !isStopping)
        {
            isStopping = true;
            stopDeadline = now + ledger.DrainTicks;
            foreach (var connection in connections)
            {
                connection?.Handle(Signals.Stopping, lent, now);
            }
        }

        if (abortAsked)
        {
            stopDeadline = now;
            Sweep(now);
        }
    }
}
