using Levee.Clustering;
using Levee.Orleans.Grains;

namespace Levee.Orleans.Silo;

/// <summary>
/// Where a silo sends batches of a cache: the plan is the first guess, what replies said is better, and the partition's grain is always right.
/// </summary>
internal sealed class SiloRoutes : IBatchRoutes
{
    private readonly LeveeSilo silo;
    private readonly string cache;
    private readonly int partitions;
    private readonly IGrainFactory grains;
    private readonly SiloPortClient ports;
    private readonly Lock gate = new();
    private readonly PartitionTarget[] grainTargets;
    private readonly Dictionary<SiloAddress, PortTarget> portTargets = [];
    private readonly Dictionary<SiloAddress, ShardTarget> shardTargets = [];
    private readonly PortTarget?[] learned;
    private State state;

    public SiloRoutes(LeveeSilo silo, string cache, int partitions, IGrainFactory grains, SiloPortClient ports)
    {
        this.silo = silo;
        this.cache = cache;
        this.partitions = partitions;
        this.grains = grains;
        this.ports = ports;
        grainTargets = [.. Enumerable.Range(0, partitions).Select(partition => new PartitionTarget(grains.GetGrain<ICachePartitionGrain>(PartitionKey.Of(cache, partition)), cache, partition))];
        learned = new PortTarget?[partitions];
        state = new State([], [], []);
    }

    /// <summary>The silo that the plan has a partition on; null where no silo serves.</summary>
    public SiloAddress? Planned(int partition)
    {
        var now = Current();
        return now.Owners.Length == 0 ? null : now.Owners[partition];
    }

    /// <inheritdoc/>
    public IBatchTarget TargetOf(int partition)
    {
        var now = Current();
        if (partition >= partitions)
        {
            return ShardOf(partition - partitions);
        }

        if (learned[partition] is { } known && now.Serving.Contains(known.Silo))
        {
            return known;
        }

        // What is planned for this silo and was not found here is not here yet.
        return now.Owners.Length == 0 || now.Owners[partition].Equals(silo.Address) ? grainTargets[partition] : PortOf(now.Owners[partition]);
    }

    /// <inheritdoc/>
    public IBatchTarget FallbackOf(int partition) => partition >= partitions ? ShardOf(partition - partitions) : grainTargets[partition];

    /// <inheritdoc/>
    public void Moved(int partition, string owner)
    {
        if (partition < partitions)
        {
            var address = SiloAddress.FromParsableString(owner);
            learned[partition] = address.Equals(silo.Address) ? null : PortOf(address);
        }
    }

    /// <inheritdoc/>
    public IBatchTarget KeeperOf(IBatchTarget asked, string owner) => asked is PartitionTarget ? PortOf(SiloAddress.FromParsableString(owner)) : asked;

    /// <summary>
    /// The silo that shard <paramref name="shard"/> is on: shards are numbered through the silos in the order of their names, each with as
    /// many tiers as this one. Where no silo serves (a whole cluster
    /// stops) there is only this one.
    /// </summary>
    private ShardTarget ShardOf(int shard)
    {
        var tiers = Math.Max(1, silo.CacheNamed(cache).Local.TierCount);
        var names = Current().Names;
        var address = names.Length == 0 ? silo.Address : names[Math.Min(shard / tiers, names.Length - 1)];
        return TargetOf(shardTargets, address, silo => new ShardTarget(grains.GetGrain<ITierShardGrain>(TierShardKey.Of(cache, silo)), silo.ToString()));
    }

    private PortTarget PortOf(SiloAddress address) => TargetOf(portTargets, address, silo => new PortTarget(ports.To(silo), cache, silo));

    /// <summary>One target for each silo, as the router tells them apart by reference; those of silos that are gone are forgotten when one comes.</summary>
    private T TargetOf<T>(Dictionary<SiloAddress, T> targets, SiloAddress address, Func<SiloAddress, T> create)
    {
        lock (gate)
        {
            if (!targets.TryGetValue(address, out var target))
            {
                foreach (var gone in targets.Keys.Except(state.Serving).ToList())
                {
                    targets.Remove(gone);
                }

                target = create(address);
                targets.Add(address, target);
            }

            return target;
        }
    }

    private State Current()
    {
        var known = Volatile.Read(ref state);
        var serving = silo.View.Serving;
        if (known.Source == serving)
        {
            return known;
        }

        var plan = serving.IsEmpty ? null : PartitionPlan.Of(cache, partitions, serving.Keys);
        var next = new State([.. serving.Values], plan is null ? [] : [.. Enumerable.Range(0, partitions).Select(partition => serving[plan.SiloOf(partition)])], [.. serving.Values]) { Source = serving };
        Volatile.Write(ref state, next);
        return next;
    }

    /// <summary>The plan for one set of silos.</summary>
    private sealed record State(HashSet<SiloAddress> Serving, SiloAddress[] Owners, SiloAddress[] Names)
    {
        public object? Source { get; init; }
    }
}
