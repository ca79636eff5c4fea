using System.Diagnostics;

namespace Levee.Partitions;

/// <summary>
/// Who loads a key from outside the cache takes a lease before the load begins and shows it with what the load brought (Nishtala et al.,
/// "Scaling Memcache at Facebook", NSDI '13). Whatever voids the key meanwhile
/// ends its lease, so a fill without one comes too late and is refused. Only keys that are being loaded are remembered, so this is exact
/// and small.
/// <para>
/// A lease is the version of the moment in which it was granted. So it is above all versions before, no other owner of the partition grants
/// the same, and a tag removal with a higher version came after it.
/// All who load a key at the same time hold one lease; the first to fill ends it.
/// </para>
/// <para>
/// Nobody has to give a lease back: it is forgotten after <see cref="LongestMs"/>, and the oldest is forgotten where there would be more
/// than <see cref="MaxCount"/>. A fill whose lease was forgotten is refused.
/// </para>
/// </summary>
internal sealed class FillLeases
{
    /// <summary>Leases at a time in one partition.</summary>
    public const int MaxCount = 1024;

    /// <summary>How long a load may take. Tag removals are remembered for the loads under way, so none may take for ever.</summary>
    public const long LongestMs = 5 * 60 * 1000;

    private readonly Dictionary<ulong, Lease> byHash = [];

    /// <summary>Leases that were granted and have not ended.</summary>
    public int Count { get; private set; }

    /// <summary>Grants a lease on a hash, or tells the one that there is.</summary>
    /// <param name="hash">The key's routing hash. Keys that share a hash share a lease: that voids more fills, never fewer.</param>
    /// <param name="version">The new lease: above all versions before.</param>
    /// <param name="now">The partition's clock.</param>
    public ulong Grant(ulong hash, ulong version, long now)
    {
        if (byHash.TryGetValue(hash, out var present) && present.UntilMs > now)
        {
            return present.Version;
        }

        if (Count == MaxCount)
        {
            MakeRoom(now);
        }

        byHash[hash] = new Lease(version, now + LongestMs);
        Count = byHash.Count;
        return version;
    }

    /// <summary>Ends a lease for the fill that shows it.</summary>
    /// <returns>Whether the lease held until now; if not, the fill must be refused.</returns>
    public bool TryUse(ulong hash, ulong lease, long now)
    {
        if (!byHash.TryGetValue(hash, out var present) || present.Version != lease)
        {
            return false;
        }

        Void(hash);
        return present.UntilMs > now;
    }

    /// <summary>The key was written, removed or given another TTL.</summary>
    public void Void(ulong hash)
    {
        if (Count > 0)
        {
            byHash.Remove(hash);
            Count = byHash.Count;
        }
    }

    /// <summary>Everything was removed.</summary>
    public void VoidAll()
    {
        byHash.Clear();
        Count = 0;
    }

    /// <summary>Forgets the leases of loads that take too long.</summary>
    public void Expire(long now)
    {
        foreach (var (hash, lease) in byHash)
        {
            if (lease.UntilMs <= now)
            {
                Void(hash);
            }
        }
    }

    /// <summary>Every load under way began at this clock or later, in Unix milliseconds; <see cref="long.MaxValue"/> where there is
    /// none.</summary>
    public long HoldsFromMs => Count == 0 ? long.MaxValue : (long)(byHash.Values.Min(static lease => lease.Version) >> 16);

    private void MakeRoom(long now)
    {
        Expire(now);
        if (Count == MaxCount)
        {
            Void(byHash.MinBy(static pair => pair.Value.Version).Key);
        }

        Debug.Assert(Count < MaxCount, "there is room for one");
    }

    private readonly record struct Lease(ulong Version, long UntilMs);
}
