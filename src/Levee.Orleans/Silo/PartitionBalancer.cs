using Levee.Hosting;
using Levee.Orleans.Grains;

namespace Levee.Orleans.Silo;

/// <summary>
/// Moves this silo towards the plan: what is here and planned elsewhere is given away, a few at a time; what is planned here and not here is asked for. Each silo moves only its own, so nobody has to agree on anything.
/// </summary>
internal sealed class PartitionBalancer(LeveeSilo silo, SiloCache cache, LeveeSiloOptions options, IGrainFactory grains)
{
    private const int MostTries = 20;

    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MovePoll = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan MovePatience = TimeSpan.FromSeconds(30);

    /// <summary>A move that did not come where it was to go is tried again soon: silos learn of each other within that time.</summary>
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(100);

    /// <summary>Balances until it is cancelled: whenever who serves changes, and once a second.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            var changed = silo.View.Changed;
            var pause = Period;
            if (silo.View.Serving.ContainsValue(silo.Address))
            {
                await GiveAwayAsync(cancellation);
                await FetchAsync(cancellation);
                pause = Misplaced().Any() ? Retry : Period;
            }

            await Task.WhenAny(changed, Task.Delay(pause, cancellation)).ConfigureAwait(false);
        }
    }

    /// <summary>Gives everything away. Completes when it has arrived elsewhere.</summary>
    public async Task DrainAsync(CancellationToken cancellation)
    {
        while (cache.Local.Partitions.Count > 0 && !cancellation.IsCancellationRequested)
        {
            await GiveAwayAsync(cancellation);
            await Task.Delay(MovePoll, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private Task GiveAwayAsync(CancellationToken cancellation) => ForEachAsync(Misplaced(), options.ConcurrentMoves, move => MoveAsync(move.Here, move.Target, cancellation), cancellation);

    /// <summary>What serves here and is planned elsewhere. A frozen copy goes when it has been pulled.</summary>
    private IEnumerable<(OpenPartition Here, SiloAddress Target)> Misplaced() =>
        from here in cache.Local.Partitions
        where here.State is PartitionState.Open or PartitionState.Arriving
        let target = cache.Routes.Planned(here.Number)
        where target is not null && !target.Equals(silo.Address)
        select (here, target);

    private Task FetchAsync(CancellationToken cancellation)
    {
        var missing = Enumerable.Range(0, cache.PartitionCount).Where(partition => silo.Address.Equals(cache.Routes.Planned(partition)) && !cache.Local.IsOpen(partition));
        return ForEachAsync(missing, options.ConcurrentMoves, partition => EnsureAsync(partition, cancellation), cancellation);
    }

    private async Task MoveAsync(OpenPartition moved, SiloAddress target, CancellationToken cancellation)
    {
        var partition = moved.Number;
        silo.Log.Moving(cache.Name, partition, target.ToString());
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            patience.CancelAfter(MovePatience);
            RequestContext.Set(global::Orleans.Runtime.Placement.IPlacementDirector.PlacementHintKey, target);
            var grain = grains.GetGrain<ICachePartitionGrain>(PartitionKey.Of(cache.Name, partition));
            await grain.MoveTo(target).AsTask().WaitAsync(patience.Token);

            // The call may come before the deactivation, or be placed where the grain was as the target is not known everywhere yet.
            for (var tries = 1; !target.Equals(await grain.Ensure().AsTask().WaitAsync(patience.Token)); tries++)
            {
                if (tries == MostTries)
                {
                    return;
                }

                await Task.Delay(MovePoll, patience.Token);
                await grain.MoveTo(target).AsTask().WaitAsync(patience.Token);
            }

            // What is here for a later epoch came back meanwhile.
            while (cache.Local.Partitions.Any(here => here.Number == partition && (here.State is PartitionState.Freezing or PartitionState.Frozen || here.Epoch == moved.Epoch)))
            {
                await Task.Delay(MovePoll, patience.Token);
            }
        }
        catch (Exception failure)
        {
            if (!cancellation.IsCancellationRequested)
            {
                silo.Log.MoveFailed(cache.Name, partition, failure);
            }
        }
        finally
        {
            RequestContext.Remove(global::Orleans.Runtime.Placement.IPlacementDirector.PlacementHintKey);
        }
    }

    private async Task EnsureAsync(int partition, CancellationToken cancellation)
    {
        try
        {
            await grains.GetGrain<ICachePartitionGrain>(PartitionKey.Of(cache.Name, partition)).Ensure().AsTask().WaitAsync(cancellation);
        }
        catch (Exception failure) when (!cancellation.IsCancellationRequested)
        {
            silo.Log.MoveFailed(cache.Name, partition, failure);
        }
    }

    private static async Task ForEachAsync<T>(IEnumerable<T> items, int concurrency, Func<T, Task> action, CancellationToken cancellation)
    {
        try
        {
            await Parallel.ForEachAsync(items, new ParallelOptions { MaxDegreeOfParallelism = concurrency, CancellationToken = cancellation }, async (item, _) => await action(item));
        }
        catch (OperationCanceledException)
        {
            // The rest is not begun.
        }
    }
}
