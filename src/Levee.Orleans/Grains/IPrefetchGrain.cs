using Levee.Hosting;
using Levee.Learning;
using Levee.Operations;
using Levee.Orleans.Silo;
using Microsoft.Extensions.Options;
using Orleans.Concurrency;
using Orleans.Streams;

namespace Levee.Orleans.Grains;

/// <summary>
/// A cache's one prefetcher: order exists only where requests enter, so all front doors report here what they could not answer from memory, and send their clients' hints. Its key is the cache's name.
/// </summary>
[Alias("levee.prefetch")]
public interface IPrefetchGrain : IGrainWithStringKey
{
    /// <summary>The name of the stream to which batches are published too, where <see cref="LeveeSiloOptions.AccessStreamProvider"/> is given: its items are packed, see <see cref="AccessBatchReader"/>; its key is the cache's name.</summary>
    const string StreamNamespace = "levee.accesses";

    /// <summary>Takes a packed <see cref="AccessBatch"/> of one front door. A silo sends one after the other; what comes faster than it is learnt from is dropped and counted.</summary>
    [Alias("observe")]
    [ResponseTimeout("00:00:10")]
    ValueTask Observe(Immutable<byte[]> batch);

    /// <summary>Takes a packed batch of hints.</summary>
    [AlwaysInterleave, Alias("hint")]
    ValueTask Hint(Immutable<byte[]> batch);

    /// <summary>Switches learning on or off, until the prefetcher ends.</summary>
    [AlwaysInterleave, Alias("learn")]
    ValueTask Learn(bool isLearning);

    /// <summary>What it has learnt, what it did, and what waits: a <see cref="PrefetchReport"/>, packed.</summary>
    [AlwaysInterleave, Alias("status")]
    ValueTask<Immutable<byte[]>> Status(int maxQueued);
}

/// <summary>The shell around a cache's prefetcher, which runs on threads of its own.</summary>
internal sealed class PrefetchGrain(LeveeSilo silo, IOptions<LeveeSiloOptions> options) : Grain, IPrefetchGrain
{
    private SiloCache cache = null!;
    private PrefetchRunner runner = null!;
    private IAsyncStream<byte[]>? stream;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        cache = silo.CacheNamed(this.GetPrimaryKeyString());
        runner = await cache.StartPrefetchingAsync(options.Value.CreatePrefetcher?.Invoke(cache.Name));
        if (options.Value.AccessStreamProvider.Length > 0)
        {
            stream = this.GetStreamProvider(options.Value.AccessStreamProvider).GetStream<byte[]>(StreamId.Create(IPrefetchGrain.StreamNamespace, cache.Name));
        }
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) => await cache.EndPrefetchingAsync(runner);

    public async ValueTask Observe(Immutable<byte[]> batch)
    {
        runner.Take(batch.Value);
        if (stream is not null)
        {
            await stream.OnNextAsync(batch.Value);
        }
    }

    public ValueTask Hint(Immutable<byte[]> batch)
    {
        var hints = HintBatch.Open(batch.Value);
        while (HintBatch.TryRead(ref hints, out var key, out var hash, out var priority))
        {
            runner.TryHint(key, hash, Math.Min(priority, IPrefetchControl.HighestPriority));
        }

        return default;
    }

    public ValueTask Learn(bool isLearning)
    {
        runner.IsLearning = isLearning;
        return default;
    }

    public async ValueTask<Immutable<byte[]>> Status(int maxQueued) =>
        new(RemotePrefetching.Pack(await runner.ReportAsync(Math.Clamp(maxQueued, 0, IPrefetchControl.MaxQueued), CancellationToken.None)));
}
