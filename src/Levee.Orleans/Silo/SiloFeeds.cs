using Levee.Learning;
using Levee.Operations;
using Levee.Orleans.Grains;
using Orleans.Concurrency;

namespace Levee.Orleans.Silo;

/// <summary>What this silo tells the cache's prefetcher and, where somebody listens, near caches: in batches, one way, never in a request's way.</summary>
internal sealed class SiloFeeds
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(20);

    private readonly IPrefetchGrain prefetch;

    public SiloFeeds(SiloCache cache, LeveeSiloOptions options, IGrainFactory grains)
    {
        prefetch = grains.GetGrain<IPrefetchGrain>(cache.Name);
        Accesses = options.CreatePrefetcher is null && options.AccessStreamProvider.Length == 0 ? null : new AccessStream((ulong)Guid.NewGuid().GetHashCode() << 32 | (uint)Guid.NewGuid().GetHashCode());
    }

    /// <summary>Where accesses are reported; null where nobody learns from them.</summary>
    public AccessStream? Accesses { get; }

    /// <summary>Sends what was reported until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(Period);
        while (await timer.WaitForNextTickAsync(cancellation))
        {
            while (Accesses is not null && Accesses.TryTake(out var batch))
            {
                await prefetch.Observe(new Immutable<byte[]>(batch.Bytes));
            }
        }
    }

    /// <summary>A sink that reports a read which turns out to be a miss elsewhere, and passes all on.</summary>
    public IAnswerSink Watch(in Operation operation, IAnswerSink sink) =>
        Accesses is not null && operation.Kind == OperationKind.Get ? new MissWatch(sink, Accesses, operation.Key.ToArray(), operation.Hash) : sink;

    private sealed class MissWatch(IAnswerSink sink, AccessStream accesses, byte[] key, ulong hash) : IAnswerSink
    {
        public void Answer(long ticket, in Answer answer)
        {
            if (answer.Outcome == Outcome.Miss)
            {
                accesses.Report(key, hash);
            }

            sink.Answer(ticket, answer);
        }
    }
}
