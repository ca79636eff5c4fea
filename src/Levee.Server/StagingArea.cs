namespace Levee.Server;

/// <summary>
/// Bounds what unfinished requests and unread replies of all connections take together: input that is not a command yet, values on their
/// way in, output that the client has not read.
/// <para>
/// A connection's first <see cref="FreeBytes"/> are not counted. Beyond them it is a <see cref="StagingHolder"/> and says after each turn
/// what it holds. Memory is taken for bytes that have come,
/// so a request that was only announced takes none.
/// </para>
/// <para>
/// <b>When the area is full</b>, holders that have waited for their client longer than <see cref="Patience"/> without
/// <see cref="ProgressBytes"/> of progress give way, those that have moved least
/// recently first. If that is not enough, one holder alone may grow until its request is whole, and the others wait in line. So an honest
/// request is never refused because of clients that stall,
/// and requests that arrive together finish one after the other. Beyond twice the capacity nobody has patience.
/// </para>
/// Safe for threads. Owners are called outside the lock.
/// </summary>
public sealed class StagingArea : IDisposable
{
    /// <summary>What each connection may hold without being counted.</summary>
    public const int FreeBytes = 4 * 1024;

    /// <summary>What a holder has to receive or send to count as moving.</summary>
    internal const int ProgressBytes = 4 * 1024;

    /// <summary>The least capacity: a few of the largest small commands.</summary>
    internal const long MinCapacityBytes = 1024 * 1024;

    /// <summary>What a holder is told that gives way.</summary>
    internal const string GaveWay = "memory for unfinished requests and unread replies was full, and this one did not move";

    internal static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(250);

    /// <summary>What a holder that goes on takes at most before it asks again.</summary>
    private const int ReadBytes = Transport.EpollTransport.DefaultReadBufferBytes;

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    private readonly Lock gate = new();
    private readonly LinkedList<StagingHolder> active = new();
    private readonly LinkedList<StagingHolder> waiting = new();
    private readonly TimeProvider time;
    private readonly ITimer timer;
    private readonly long patienceTicks;
    private StagingHolder? growing;
    private long heldBytes;
    private long droppedHolders;

    /// <param name="capacityBytes">What all holders together may hold, in bytes.</param>
    /// <param name="time">The clock of the patience.</param>
    public StagingArea(long capacityBytes, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacityBytes, 1);
        ArgumentNullException.ThrowIfNull(time);
        CapacityBytes = capacityBytes;
        this.time = time;
        patienceTicks = (long)(Patience.TotalSeconds * time.TimestampFrequency);
        timer = time.CreateTimer(static area => ((StagingArea)area!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>What all holders together may hold, in bytes.</summary>
    public long CapacityBytes { get; }

    /// <summary>What they hold now.</summary>
    public long HeldBytes => Volatile.Read(ref heldBytes);

    /// <summary>How many holders had to give way since the start.</summary>
    public long DroppedHolders => Volatile.Read(ref droppedHolders);

    /// <summary>Whether the area has no room.</summary>
    public bool IsFull => HeldBytes >= CapacityBytes;

    /// <summary>The area of a server: a sixteenth of its memory.</summary>
    /// <param name="memoryBytes">The memory budget of all caches.</param>
    /// <param name="time">The clock of the patience.</param>
    public static StagingArea For(long memoryBytes, TimeProvider time) => new(Math.Max(MinCapacityBytes, memoryBytes / 16), time);

    /// <inheritdoc/>
    public void Dispose() => timer.Dispose();

    /// <summary>
    /// Has holders that stall give way until so much is free, whether or not the area is full: a cache has no page for a value on its way
    /// in.
    /// </summary>
    /// <param name="bytes">How much is wanted.</param>
    internal void DropStalled(long bytes)
    {
        List<StagingHolder>? dropped = null;
        lock (gate)
        {
            TakeStalled(heldBytes - bytes, null, ref dropped);
        }

        Drop(dropped, isAtOnce: false);
    }

    internal void Update(StagingHolder holder, long bytes, int movedBytes, bool awaitsClient)
    {
        List<StagingHolder>? dropped = null;
        List<StagingHolder>? released = null;
        lock (gate)
        {
            if (holder.IsDropped)
            {
                return;
            }

            Note(holder, bytes, movedBytes, awaitsClient);
            if (heldBytes > CapacityBytes)
            {
                TakeStalled(CapacityBytes, holder, ref dropped);
            }

            ReleaseWaiting(ref released);
        }

        Drop(dropped);
        Resume(released);
    }

    internal bool MayGrow(StagingHolder holder)
    {
        List<StagingHolder>? dropped = null;
        bool mayGrow;
        lock (gate)
        {
            if (holder.Bytes == 0)
            {
                return true; // What is free for each is free for it too.
            }

            if (heldBytes >= CapacityBytes)
            {
                TakeStalled(CapacityBytes - 1, holder, ref dropped);
            }

            var hasRoom = heldBytes < CapacityBytes;
            mayGrow = hasRoom || growing is null || growing == holder;
            if (mayGrow && !hasRoom)
            {
                growing = holder;
            }
            else if (!mayGrow && !holder.IsWaiting)
            {
                active.Remove(holder.Link);
                waiting.AddLast(holder.Link);
                holder.IsWaiting = true;
                timer.Change(Poll, Timeout.InfiniteTimeSpan);
            }
        }

        Drop(dropped);
        return mayGrow;
    }

    /// <summary>A holder that gave way has let go and goes on.</summary>
    internal void Revive(StagingHolder holder)
    {
        lock (gate)
        {
            holder.IsDropped = false;
        }
    }

    private void Note(StagingHolder holder, long bytes, int movedBytes, bool awaitsClient)
    {
        var now = time.GetTimestamp();
        heldBytes += bytes - holder.Bytes;
        var isNew = holder.Bytes == 0 && bytes > 0;
        holder.Bytes = bytes;
        holder.MovedBytes += movedBytes;
        if (bytes == 0)
        {
            Unlink(holder);
        }
        else if (isNew || holder.MovedBytes >= ProgressBytes || (awaitsClient && !holder.AwaitsClient))
        {
            holder.MovedBytes = 0;
            holder.Since = now;
            if (!holder.IsWaiting)
            {
                if (!isNew)
                {
                    active.Remove(holder.Link);
                }

                active.AddLast(holder.Link);
            }
        }

        holder.AwaitsClient = awaitsClient;
    }

    private void Unlink(StagingHolder holder)
    {
        holder.Link.List?.Remove(holder.Link);
        holder.IsWaiting = false;
        holder.MovedBytes = 0;
        if (growing == holder)
        {
            growing = null;
        }
    }

    private void TakeStalled(long untilBytes, StagingHolder? except, ref List<StagingHolder>? dropped)
    {
        var now = time.GetTimestamp();
        for (var link = active.First; link is not null && heldBytes > untilBytes;)
        {
            var holder = link.Value;
            link = link.Next;
            var patience = heldBytes > 2 * CapacityBytes ? 0 : patienceTicks;
            if (now - holder.Since < patience)
            {
                break;
            }

            if (holder != except && holder.AwaitsClient)
            {
                heldBytes -= holder.Bytes;
                holder.Bytes = 0;
                holder.IsDropped = true;
                Unlink(holder);
                (dropped ??= []).Add(holder);
            }
        }
    }

    private void ReleaseWaiting(ref List<StagingHolder>? released)
    {
        for (var free = CapacityBytes - heldBytes; waiting.First is { } link && (free > 0 || growing is null);)
        {
            var holder = link.Value;
            waiting.Remove(link);
            active.AddLast(link);
            holder.IsWaiting = false;
            holder.Since = time.GetTimestamp();
            growing = free > 0 ? growing : holder;
            free -= ReadBytes;
            (released ??= []).Add(holder);
        }
    }

    private void OnTimer()
    {
        List<StagingHolder>? dropped = null;
        List<StagingHolder>? released = null;
        lock (gate)
        {
            TakeStalled(CapacityBytes - 1, null, ref dropped);
            ReleaseWaiting(ref released);
            if (waiting.Count > 0)
            {
                timer.Change(Poll, Timeout.InfiniteTimeSpan);
            }
        }

        Drop(dropped);
        Resume(released);
    }

    private void Drop(List<StagingHolder>? holders, bool isAtOnce = true)
    {
        if (holders is null)
        {
            return;
        }

        Interlocked.Add(ref droppedHolders, holders.Count);
        foreach (var holder in holders)
        {
            holder.Owner.GiveWay(isAtOnce);
        }
    }

    private static void Resume(List<StagingHolder>? holders)
    {
        foreach (var holder in holders ?? [])
        {
            holder.Owner.Resume();
        }
    }
}

/// <summary>Who holds memory of a <see cref="StagingArea"/>. Called from any thread; does what is asked on its own, soon.</summary>
internal interface IStagingOwner
{
    /// <summary>Gives the memory back: what it holds is not counted any more.</summary>
    /// <param name="isAtOnce">Whether it may do so before it returns, where it runs on its own thread: nobody is within a
    /// conversation.</param>
    void GiveWay(bool isAtOnce);

    /// <summary>Goes on after <see cref="StagingHolder.MayGrow"/> said no.</summary>
    void Resume();
}

/// <summary>One owner's part of a <see cref="StagingArea"/>. Its owner calls it; the rest is the area's, under its lock.</summary>
internal sealed class StagingHolder
{
    private readonly StagingArea area;
    private volatile bool isWaiting;

    public StagingHolder(StagingArea area, IStagingOwner owner)
    {
        this.area = area;
        Owner = owner;
        Link = new LinkedListNode<StagingHolder>(this);
    }

    public IStagingOwner Owner { get; }

    public LinkedListNode<StagingHolder> Link { get; }

    /// <summary>What it holds beyond what is free; 0: it is no holder now.</summary>
    public long Bytes { get; set; }

    /// <summary>Since when it has not moved.</summary>
    public long Since { get; set; }

    public int MovedBytes { get; set; }

    /// <summary>Whether the next step is its client's: to send more, or to read.</summary>
    public bool AwaitsClient { get; set; }

    /// <summary>Whether it stands in line for room.</summary>
    public bool IsWaiting { get => isWaiting; set => isWaiting = value; }

    /// <summary>Whether it was told to give way and has not done so yet.</summary>
    public bool IsDropped { get; set; }

    /// <summary>Says what is held now.</summary>
    /// <param name="bytes">Bytes of memory, those that are free included.</param>
    /// <param name="movedBytes">What has been received and sent since the last call.</param>
    /// <param name="awaitsClient">Whether the next step is the client's.</param>
    public void Hold(long bytes, int movedBytes, bool awaitsClient)
    {
        bytes = bytes > StagingArea.FreeBytes ? bytes : 0;
        if (bytes != 0 || Bytes != 0)
        {
            area.Update(this, bytes, movedBytes, awaitsClient);
        }
    }

    /// <summary>Whether more may be taken now. If not, the owner waits for <see cref="IStagingOwner.Resume"/>.</summary>
    public bool MayGrow() => !area.IsFull || area.MayGrow(this);

    /// <summary>What was asked by <see cref="IStagingOwner.GiveWay"/> is done.</summary>
    public void Revive() => area.Revive(this);
}
