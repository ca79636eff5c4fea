using Levee.Eviction;
using Levee.Memory;

namespace Levee.Partitions;

/// <summary>Background work, in slices.</summary>
public sealed partial class Partition
{
    /// <summary>
    /// Does one slice of background work, well under a millisecond: gives back retired memory, pays back overdrawn memory, hands entries over to another policy, sweeps invalidated entries, reclaims expired ones.
    /// </summary>
    /// <returns>What was done; <see cref="MaintenanceWork.None"/> when there is nothing to do for now.</returns>
    public MaintenanceWork Maintain(long now)
    {
        Advance(now);
        if (retired.Count > 0)
        {
            ReleaseRetired();
            return MaintenanceWork.Clear;
        }

        if (store.IsResizing)
        {
            store.Resize(PaybackPerSlice);
            return MaintenanceWork.Payback;
        }

        if (store.IsOverdrawn)
        {
            store.PayBack(PaybackPerSlice);
            return store.IsOverdrawn && store.Count == 0 ? MaintenanceWork.None : MaintenanceWork.Payback;
        }

        if ((store.IsSwitching || store.TryBeginSwitch(options.Policy, options.Cost, policyTarget)) && store.ContinueSwitch(SwitchedPerSlice))
        {
            return MaintenanceWork.Switch;
        }

        if (tags.SweepPosition != NodeTable.None)
        {
            SweepTags();
            return MaintenanceWork.Tags;
        }

        return ReclaimExpired() ? MaintenanceWork.Expiry : MaintenanceWork.None;
    }

    private void ReleaseRetired()
    {
        if (!retired.Peek().ReleaseSome(RetiredPagesPerCall))
        {
            retired.Dequeue();
        }
    }

    private void SweepTags()
    {
        var node = tags.SweepPosition;
        var end = Math.Min(store.Nodes.Capacity, node + SweepNodesPerSlice);
        for (; node < end; node++)
        {
            if (store.IsResident(node) && IsDead(store.Record(node)))
            {
                Bury(node);
            }
        }

        tags.SweepPosition = node;
        if (node >= store.Nodes.Capacity)
        {
            tags.EndSweep();
            ForgetTags();
        }
    }

    private void ForgetTags()
    {
        leases.Expire(clock);
        var heldFromMs = Math.Min(lower?.HoldsFromMs ?? long.MaxValue, Math.Min(loads.HoldsFromMs, leases.HoldsFromMs));
        tags.Forget(arriving is not null ? 0 : heldFromMs);
    }

    /// <summary>Visits at most one page that has something due. A pass over all pages begins at most once a second.</summary>
    private bool ReclaimExpired()
    {
        if (expiryPage >= store.Slab.PageLimit)
        {
            if (clock - expiryPassBegan < ExpiryPassMs)
            {
                return false;
            }

            expiryPassBegan = clock;
            ForgetTags();
            expiryPage = 1;
        }

        var end = Math.Min(store.Slab.PageLimit, expiryPage + PagesLookedAtPerSlice);
        while (expiryPage < end)
        {
            if (store.Slab.IsDue(expiryPage++, clock))
            {
                var reclaimer = new Reclaimer(this);
                store.Slab.Visit(expiryPage - 1, ref reclaimer);
                return true;
            }
        }

        return expiryPage < store.Slab.PageLimit;
    }

    /// <summary>Removes what is dead on a page and notes when the next on it will be.</summary>
    private readonly struct Reclaimer(Partition partition) : ISlotVisitor
    {
        public void Visit(uint slot)
        {
            var record = partition.store.Slab.Record(slot);
            if (partition.IsDead(record))
            {
                partition.Bury(EntryRecord.NodeOf(record));
            }
            else
            {
                partition.store.Slab.NoteExpiry(slot, EntryRecord.ExpiresAt(record));
            }
        }
    }
}
