using Levee.Orleans.Placement;
using Levee.Orleans.Silo;
using Orleans.Concurrency;
using Orleans.Placement;

namespace Levee.Orleans.Grains;

/// <summary>
/// The partition's address and ownership; its contents lie in the silo's host. Activation claims the partition in the background: meanwhile operations are told that it is not here yet, and the
/// caller asks again. A move is a deactivation: the next activation claims what the host of this one goes on serving until then. Orleans' own migration is not used: there is nothing to carry, and two silos that
/// migrate a grain towards each other wait for half a minute.
/// </summary>
[KeepAlive, Reentrant, Immovable, PlanPlacement]
internal sealed class CachePartitionGrain(
    [PersistentState("owner", LeveeSilo.StorageName)] IPersistentState<Ownership> ownership,
    LeveeSilo silo) : Grain, ICachePartitionGrain
{
    private SiloCache cache = null!;
    private int partition;
    private Task claim = Task.CompletedTask;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        (var name, partition) = PartitionKey.Parse(this.GetPrimaryKeyString());
        cache = silo.CacheNamed(name);
        if (partition >= cache.PartitionCount)
        {
            throw new ArgumentException($"Cache '{name}' has {cache.PartitionCount} partitions; '{this.GetPrimaryKeyString()}' is none of them.");
        }

        claim = ClaimAsync();
        return Task.CompletedTask;
    }

    public ValueTask<Immutable<byte[]>> Execute(Immutable<byte[]> request) => PackedReply.Of(cache.Server.ExecuteAsync(request.Value, TimeSpan.Zero));

    public ValueTask WriteLarge(long number, int length, int offset, Immutable<byte[]> piece)
    {
        cache.Server.WriteLarge(number, length, offset, piece.Value);
        return ValueTask.CompletedTask;
    }

    public async ValueTask<SiloAddress> Ensure()
    {
        await claim;
        return silo.Address;
    }

    /// <summary>A claim under way is waited for: broken off, it would leave a frozen copy behind that nobody may open.</summary>
    public async ValueTask MoveTo(SiloAddress target)
    {
        if (!target.Equals(silo.Address))
        {
            await claim.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            DeactivateOnIdle();
        }
    }

    /// <summary>A claim that fails gives the activation up: the next call is placed anew.</summary>
    private async Task ClaimAsync()
    {
        try
        {
            await cache.Claims.ClaimAsync(partition, ownership, silo.Withdrawn);
        }
        catch (Exception failure)
        {
            if (!silo.Withdrawn.IsCancellationRequested)
            {
                silo.Log.ClaimFailed(cache.Name, partition, failure);
            }

            DeactivateOnIdle();
            throw;
        }
    }
}
