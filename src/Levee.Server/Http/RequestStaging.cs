using System.Diagnostics;
using Levee.Memory;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Levee.Server.Http;

/// <summary>
/// What one request holds of the <see cref="StagingArea"/>, and which large value it reads out. A request whose body is being received
/// gives way with an answer that says so;
/// one whose response is not read loses its connection. Safe for threads where its interfaces are.
/// </summary>
internal sealed class RequestStaging : IStagingOwner, ISlowReader, IDisposable
{
    private readonly StagingArea area;
    private readonly SlowReaders readers;
    private readonly HttpContext context;
    private readonly StagingHolder holder;
    private volatile TaskCompletionSource? resumed;
    private volatile LargeValue? source;
    private volatile bool isReceiving;
    private volatile bool gaveWay;
    private long lastSent;

    public RequestStaging(HttpContext context)
    {
        this.context = context;
        area = context.RequestServices.GetRequiredService<StagingArea>();
        readers = context.RequestServices.GetRequiredService<SlowReaders>();
        holder = new StagingHolder(area, this);
    }

    /// <summary>Whether the memory was wanted back.</summary>
    public bool GaveWay => gaveWay;

    /// <summary>Says what is held, while the client sends.</summary>
    /// <param name="bytes">All bytes held now.</param>
    /// <param name="movedBytes">What came since the last call.</param>
    public void Receive(long bytes, int movedBytes)
    {
        isReceiving = true;
        holder.Hold(bytes, movedBytes, awaitsClient: true);
    }

    /// <summary>Waits until more may be taken.</summary>
    /// <returns>False where the memory was wanted back instead.</returns>
    public async ValueTask<bool> MayGrowAsync()
    {
        while (!gaveWay && area.IsFull)
        {
            var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            resumed = waiter;
            if (holder.MayGrow())
            {
                break;
            }

            await waiter.Task.WaitAsync(context.RequestAborted).ConfigureAwait(false);
        }

        return !gaveWay;
    }

    /// <summary>A cache has no page for what comes: those that stall give way.</summary>
    public void DropStalled(long bytes) => area.DropStalled(bytes);

    /// <summary>Says what is held for the response, while the client reads.</summary>
    /// <param name="bytes">All bytes held now.</param>
    /// <param name="movedBytes">What was sent since the last call.</param>
    public void Send(long bytes, int movedBytes)
    {
        isReceiving = false;
        holder.Hold(bytes, movedBytes, awaitsClient: true);
    }

    /// <summary>Says which large value is being sent; null: none.</summary>
    public void SendFrom(LargeValue? large)
    {
        Moved();
        var isNew = source is null;
        source = large;
        if (large is null)
        {
            readers.Remove(this);
        }
        else if (isNew)
        {
            readers.Add(this);
        }
    }

    /// <summary>The client has taken a piece of the large value.</summary>
    public void Moved() => Volatile.Write(ref lastSent, Stopwatch.GetTimestamp());

    public void GiveWay(bool isAtOnce)
    {
        gaveWay = true;
        resumed?.TrySetResult();
        if (isReceiving)
        {
            context.Request.BodyReader.CancelPendingRead();
        }
        else
        {
            context.Abort();
        }
    }

    public void Resume() => resumed?.TrySetResult();

    public void LetGo()
    {
        if (source is { IsOwned: false } && SlowReaders.IsStalled(Volatile.Read(ref lastSent)))
        {
            context.Abort();
        }
    }

    public void Dispose()
    {
        readers.Remove(this);
        holder.Hold(0, 0, awaitsClient: false);
    }
}
