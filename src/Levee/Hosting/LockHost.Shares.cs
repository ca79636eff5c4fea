using Levee.Memory;
using Levee.Partitions;

namespace Levee.Hosting;

/// <summary>
/// The budget is the host's. The partitions that are here have equal shares of what the reserve, the tiers' indexes, frozen copies and leaving partitions leave of it. A share that is made smaller
/// is paid back in maintenance slices; what cannot be had from the arena meanwhile is waited for.
/// </summary>
public sealed partial class LockHost
{
    private const long LeastShareBytes = 4 * PageArena.PageBytes;

    /// <summary>A few times what a chunk takes, as several partitions may arrive at once.</summary>
    private const int PagesPrepared = 32;

    private readonly Lock sharing = new();
    private readonly List<Partition> leaving = [];
    private long takenBytes;
    private int sharers = -1;
    private bool isArenaChanging;

    /// <summary>Whether there may be more room soon than there is now: others have yet to pay back, or to leave.</summary>
    internal bool MayGainRoom
    {
        get
        {
            lock (sharing)
            {
                if (leaving.Count > 0 || isArenaChanging)
                {
                    return true;
                }
            }

            foreach (var slot in slots)
            {
                lock (slot.Gate)
                {
                    if (slot.Frozen is not null || slot.Serving is { OwesMemory: true } or { IsResizing: true })
                    {
                        return true;
                    }
                }
            }

            return false;
        }
    }

    /// <summary>Whether pages can be had for an import without touching the reserve.</summary>
    internal bool HasRoomForImport => arena.RentedPages + 4 <= arena.BudgetPages - (Options.ReserveBytes / PageArena.PageBytes);

    /// <summary>Has memory ready for the next import, so that the system does not take its time to find it while a partition is held.</summary>
    internal void PrepareRoom() => arena.Prepare(PagesPrepared);

    /// <summary>Changes what can be changed while the cache runs: memory budget, default TTL and its jitter, longest value, eviction policy and its objective. More memory can be used at once; less is reached in maintenance slices, and so is another policy.</summary>
    /// <param name="changed">The options, of which name, number of partitions and durability are what they were.</param>
    /// <exception cref="ArgumentException">A value is out of range, or is one that cannot be changed.</exception>
    public void Configure(CacheOptions changed)
    {
        ArgumentNullException.ThrowIfNull(changed);
        changed.Validate();
        var now = Options;
        if (changed.EffectivePartitions != slots.Length && changed.Partitions == 0)
        {
            changed = changed with { Partitions = slots.Length };
            changed.Validate();
        }

        if (changed.Name != now.Name || changed.EffectivePartitions != slots.Length || changed.WritesThrough != now.WritesThrough)
        {
            throw new ArgumentException("Name, number of partitions and durability of a cache cannot be changed while it runs.", nameof(changed));
        }

        lock (sharing)
        {
            Volatile.Write(ref options, changed);
            LargeValues.MaxValueBytes = changed.EffectiveMaxValueBytes;
            isArenaChanging = !arena.SetBudget(changed.MemoryBytes);
            foreach (var slot in slots)
            {
                lock (slot.Gate)
                {
                    slot.Partition?.Configure((long)changed.DefaultTtl.TotalMilliseconds, (long)changed.DefaultTtlJitter.TotalMilliseconds, changed.EffectiveMaxValueBytes);
                }
            }

            ShareOut(0);
        }

        if (changed.Policy != now.Policy || changed.PolicyObjective != now.PolicyObjective)
        {
            ChangePolicy(changed);
        }

        HurryMaintenance();
    }

    /// <summary>Gives each partition its share, smaller ones first.</summary>
    /// <param name="coming">Partitions that are counted though they are not here yet.</param>
    /// <returns>The share, in bytes.</returns>
    private long ShareOut(int coming)
    {
        lock (sharing)
        {
            var current = Options;
            var count = coming;
            var indexBytes = tiers?.IndexBytes ?? 0;
            var copyBytes = leaving.Sum(static partition => partition.HeldBytes);
            foreach (var slot in slots)
            {
                lock (slot.Gate)
                {
                    count += slot.Partition is null ? 0 : 1;
                    copyBytes += slot.Frozen?.Partition.HeldBytes ?? 0;
                }
            }

            takenBytes = indexBytes + copyBytes;
            sharers = count;
            var share = (current.MemoryBytes - current.ReserveBytes - copyBytes) / Math.Max(1, count);

            // An index is bounded to half of the budget, so partitions keep the other half.
            share = Math.Max(share / 2, share - (indexBytes / Math.Max(1, count)));
            share = Math.Max(share, Math.Min(LeastShareBytes, current.PartitionBytes));
            foreach (var slot in slots)
            {
                lock (slot.Gate)
                {
                    slot.Partition?.SetCapacity(share);
                }
            }

            return share;
        }
    }

    /// <summary>Shares follow what the tiers' indexes and the copies take.</summary>
    private void FollowTaken()
    {
        var taken = tiers?.IndexBytes ?? 0;
        lock (sharing)
        {
            taken += leaving.Sum(static partition => partition.HeldBytes);
            if (isArenaChanging)
            {
                isArenaChanging = !arena.SetBudget(options.MemoryBytes);
            }
        }

        foreach (var slot in slots)
        {
            if (slot.Frozen is not null)
            {
                lock (slot.Gate)
                {
                    taken += slot.Frozen?.Partition.HeldBytes ?? 0;
                }
            }
        }

        if (Math.Abs(taken - takenBytes) >= PageArena.PageBytes * (sharers < 0 ? slots.Length : Math.Max(1, sharers)))
        {
            ShareOut(0);
        }
    }

    /// <summary>Gives a slice of the memory of each leaving partition back.</summary>
    private bool ReleaseLeaving()
    {
        lock (sharing)
        {
            for (var i = leaving.Count - 1; i >= 0; i--)
            {
                if (!leaving[i].ReleaseSome())
                {
                    leaving.RemoveAt(i);
                    if (leaving.Count == 0)
                    {
                        ShareOut(0);
                    }
                }
            }

            return leaving.Count > 0;
        }
    }
}
