using Levee.Clustering;
using Levee.Learning;
using Levee.Operations;
using Levee.Orleans.Grains;
using Levee.Partitions;
using Orleans.Concurrency;

namespace Levee.Orleans.Silo;

/// <summary>What this silo tells the cache's prefetcher and, where somebody listens, near caches: in batches, one after the other, never in a request's way.</summary>
internal sealed class SiloFeeds : IInvalidationListener
{
    private static readonly TimeSpan Period = LeveeSiloOptions.AccessFeedPeriod;

    /// <summary>So long nothing is sent to near caches at the most: then they hear that there was nothing.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(1);

    private readonly string name;
    private readonly SiloLog log;
    private readonly TimeProvider time;
    private readonly IPrefetchGrain prefetch;
    private readonly ICacheGrain hub;
    private InvalidationFeed? invalidations;

    public SiloFeeds(string name, SiloLog log, LeveeSiloOptions options, IGrainFactory grains, TimeProvider time)
    {
        this.name = name;
        this.log = log;
        this.time = time;
        prefetch = grains.GetGrain<IPrefetchGrain>(name);
        hub = grains.GetGrain<ICacheGrain>(name);
        Accesses = options.CreatePrefetcher is null && options.AccessStreamProvider.Length == 0 ? null : new AccessStream(NewSource());
    }

    /// <summary>Where accesses are reported; null where nobody learns from them.</summary>
    public AccessStream? Accesses { get; }

    /// <summary>Whether anybody wants to hear what near caches must forget. What they begin with they may have read before this silo knew of them: so they forget it.</summary>
    public bool HasSubscribers
    {
        get => Volatile.Read(ref invalidations) is not null;
        set
        {
            if (value != HasSubscribers)
            {
                var feed = value ? new InvalidationFeed(NewSource()) : null;
                feed?.ForgetEverything();
                Volatile.Write(ref invalidations, feed);
            }
        }
    }

    /// <inheritdoc/>
    public void Changed(ulong hash) => invalidations?.Changed(hash);

    /// <inheritdoc/>
    public void TagRemoved(int partition, ReadOnlySpan<byte> tag) => invalidations?.TagRemoved(partition, tag);

    /// <inheritdoc/>
    public void Cleared(int partition) => invalidations?.Cleared(partition);

    /// <summary>Sends the accesses that were reported until it is cancelled. What comes while the prefetcher is slow or fails is dropped and counted.</summary>
    public Task ReportAccessesAsync(CancellationToken cancellation) => Accesses is not { } accesses ? Task.CompletedTask : EveryPeriodAsync(async () =>
    {
        while (accesses.TryTake(out var batch))
        {
            try
            {
                await prefetch.Observe(new Immutable<byte[]>(batch.Bytes)).AsTask().WaitAsync(cancellation);
            }
            catch (Exception failure) when (!cancellation.IsCancellationRequested)
            {
                log.FeedDropped(name, "accesses", failure);
            }
        }
    }, cancellation);

    /// <summary>Sends what near caches must forget until it is cancelled. Where it cannot be sent they must forget everything. A batch may be lost on the way, with a gateway: the next tells, and comes soon.</summary>
    public Task PublishInvalidationsAsync(CancellationToken cancellation)
    {
        var sent = time.GetTimestamp();
        return EveryPeriodAsync(async () =>
        {
            while (Volatile.Read(ref invalidations) is { } feed)
            {
                if (!feed.TryTake(out var batch))
                {
                    if (time.GetElapsedTime(sent) < Silence)
                    {
                        return;
                    }

                    batch = feed.Beat();
                }

                sent = time.GetTimestamp();
                try
                {
                    await hub.Publish(new Immutable<byte[]>(batch)).AsTask().WaitAsync(cancellation);
                }
                catch (Exception failure) when (!cancellation.IsCancellationRequested)
                {
                    feed.ForgetEverything();
                    log.FeedDropped(name, "invalidations", failure);
                    return;
                }
            }
        }, cancellation);
    }

    /// <summary>A sink that reports what became of a read elsewhere, where that was no plain hit, and passes all on. Only the front door knows the order, so who executes a read says in the answer what is to be reported here.</summary>
    public IAnswerSink Watch(in Operation operation, IAnswerSink sink) =>
        Accesses is not null && operation.Kind == OperationKind.Get ? new MissWatch(sink, Accesses, operation.Key.ToArray(), operation.Hash) : sink;

    private static ulong NewSource() => BitConverter.ToUInt64(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8));

    private static async Task EveryPeriodAsync(Func<Task> send, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(Period);
        while (await timer.WaitForNextTickAsync(cancellation))
        {
            await send();
        }
    }

    private sealed class MissWatch(IAnswerSink sink, AccessStream accesses, byte[] key, ulong hash) : IAnswerSink
    {
        public void Answer(long ticket, in Answer answer)
        {
            if (answer.Access != AccessKind.Hit)
            {
                accesses.Report(key, hash, answer.Access);
            }

            sink.Answer(ticket, answer);
        }
    }
}
