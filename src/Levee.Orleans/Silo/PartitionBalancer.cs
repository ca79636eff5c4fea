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

    /// <summary>Balances until it is cancelled: whenever who serves changes, and once a second.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            var changed = silo.View.Changed;
            if (silo.View.Serving.ContainsValue(silo.Address))
            {
                await GiveAwayAsync(cancellation);
                await FetchAsync(cancellation);
            }

            await Task.WhenAny(changed, Task.Delay(Period, cancellation)).ConfigureAwait(false);
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

    private Task GiveAwayAsync(CancellationToken cancellation)
    {
        var mine = cache.Local.Partitions
            .Select(partition => (partition.Number, Target: cache.Routes.Planned(partition.Number)))
            .Where(move => move.Target is not null && !move.Target.Equals(silo.Address));
        return ForEachAsync(mine, options.ConcurrentMoves, move => MoveAsync(move.Number, move.Target!, cancellation), cancellation);
    }

    private Task FetchAsync(CancellationToken cancellation)
    {
        var missing = Enumerable.Range(0, cache.PartitionCount).Where(partition => silo.Address.Equals(cache.Routes.Planned(partition)) && !cache.Local.IsOpen(partition));
        return ForEachAsync(missing, options.ConcurrentMoves, EnsureAsync, cancellation);
    }

    private async Task MoveAsync(int partition, SiloAddress target, CancellationToken cancellation)
    {
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

            while (cache.Local.Partitions.Any(here => here.Number == partition))
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

    private async Task EnsureAsync(int partition)
    {
        try
        {
            await grains.GetGrain<ICachePartitionGrain>(PartitionKey.Of(cache.Name, partition)).Ensure();
        }
        catch (Exception failure)
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
