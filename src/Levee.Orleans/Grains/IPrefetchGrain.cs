using System.Diagnostics;
using Levee.Learning;
using Levee.Operations;
using Levee.Orleans.Silo;
using Microsoft.Extensions.Options;
using Orleans.Concurrency;
using Orleans.Streams;

namespace Levee.Orleans.Grains;

/// <summary>
/// A cache's one prefetcher: order exists only where requests enter, so all front doors report here what they could not answer from memory. Its key is the cache's name.
/// </summary>
[Alias("levee.prefetch")]
public interface IPrefetchGrain : IGrainWithStringKey
{
    /// <summary>The name of the stream to which batches are published too, where <see cref="LeveeSiloOptions.AccessStreamProvider"/> is given: its items are packed, see <see cref="AccessBatchReader"/>; its key is the cache's name.</summary>
    const string StreamNamespace = "levee.accesses";

    /// <summary>Takes a packed <see cref="AccessBatch"/> of one front door. Completes when it has been learnt from: a silo sends one after the other, and drops and counts what it sees while this one is slow.</summary>
    [Alias("observe")]
    [ResponseTimeout("00:00:10")]
    ValueTask Observe(Immutable<byte[]> batch);

    /// <summary>What came from each front door, and how many keys were asked for ahead of time.</summary>
    [AlwaysInterleave, Alias("report")]
    ValueTask<PrefetchReport> Report();
}

/// <summary>What a prefetcher had and did.</summary>
/// <param name="FrontDoors">How many front doors reported.</param>
/// <param name="Received">Accesses that came.</param>
/// <param name="Lost">Accesses that did not: dropped where they were seen, or on the way.</param>
/// <param name="OutOfOrder">Accesses that came too late to learn from.</param>
/// <param name="Asked">Keys that partitions were asked to bring up.</param>
/// <param name="Damaged">Batches that could not be read.</param>
[GenerateSerializer, Immutable, Alias("levee.prefetch-report")]
public sealed record PrefetchReport(
    [property: Id(0)] int FrontDoors,
    [property: Id(1)] long Received,
    [property: Id(2)] long Lost,
    [property: Id(3)] long OutOfOrder,
    [property: Id(4)] long Asked,
    [property: Id(5)] long Damaged);

/// <summary>The shell around a cache's prefetcher.</summary>
internal sealed class PrefetchGrain(LeveeSilo silo, IOptions<LeveeSiloOptions> options) : Grain, IPrefetchGrain, IAnswerSink
{
    private SiloCache cache = null!;
    private AccessJournal journal = null!;
    private IPrefetcher? prefetcher;
    private IAsyncStream<byte[]>? stream;
    private long asked;
    private long damaged;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        cache = silo.CacheNamed(this.GetPrimaryKeyString());
        prefetcher = options.Value.CreatePrefetcher?.Invoke(cache.Name);
        journal = new AccessJournal(prefetcher);
        if (options.Value.AccessStreamProvider.Length > 0)
        {
            stream = this.GetStreamProvider(options.Value.AccessStreamProvider).GetStream<byte[]>(StreamId.Create(IPrefetchGrain.StreamNamespace, cache.Name));
        }

        return Task.CompletedTask;
    }

    public async ValueTask Observe(Immutable<byte[]> batch)
    {
        try
        {
            journal.Take(batch.Value, Stopwatch.GetTimestamp());
        }
        catch (FormatException)
        {
            damaged++;
            return;
        }

        Ask();
        if (stream is not null)
        {
            await stream.OnNextAsync(batch.Value);
        }
    }

    public ValueTask<PrefetchReport> Report()
    {
        var counts = journal.Counts;
        return new(new PrefetchReport(counts.Count, counts.Sum(door => door.Received), counts.Sum(door => door.Lost), counts.Sum(door => door.OutOfOrder), asked, damaged));
    }

    /// <summary>A promotion that cannot be had is no loss.</summary>
    void IAnswerSink.Answer(long ticket, in Answer answer)
    {
    }

    private void Ask()
    {
        if (prefetcher is null)
        {
            return;
        }

        Span<byte> key = stackalloc byte[KeyList.MaxKeyBytes];
        var isAny = false;
        while (prefetcher.TryPredict(key, out var prediction))
        {
            var isKnown = prediction.KeyLength > 0;
            if (isKnown)
            {
                cache.Submit(new Operation { Kind = OperationKind.Prefetch, Key = key[..prediction.KeyLength], Hash = prediction.Hash }, this, ++asked);
                isAny = true;
            }

            // Partitions answer before the load has ended, so how it ends is not known here.
            prefetcher.Ended(prediction.Id, isKnown ? PrefetchOutcome.Promoted : PrefetchOutcome.Dropped, 0);
        }

        if (isAny)
        {
            cache.Flush(this);
        }
    }
}
