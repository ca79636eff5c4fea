using System.Collections.Immutable;

namespace Levee.Orleans.Silo;

/// <summary>
/// What this silo knows of the others, from Orleans' membership: who serves (active, and not about to stop), who is dead and since when, on this silo's monotonic clock, that is known.
/// </summary>
internal sealed class ClusterView(IClusterMembershipService membership, TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly Dictionary<SiloAddress, long> deadSince = [];
    private ImmutableHashSet<SiloAddress> draining = [];
    private ImmutableSortedDictionary<string, SiloAddress> serving = ImmutableSortedDictionary<string, SiloAddress>.Empty;
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The silos that partitions may be placed on, by the names under which the plan knows them.</summary>
    public ImmutableSortedDictionary<string, SiloAddress> Serving => serving;

    /// <summary>Completes when who serves changes after this was read.</summary>
    public Task Changed => Volatile.Read(ref changed).Task;

    /// <summary>Follows the membership until it is cancelled.</summary>
    public async Task FollowAsync(CancellationToken cancellation)
    {
        await foreach (var snapshot in membership.MembershipUpdates.WithCancellation(cancellation))
        {
            Take(snapshot);
        }
    }

    /// <summary>Sees what the membership says now.</summary>
    public void Refresh() => Take(membership.CurrentSnapshot);

    /// <summary>A silo is about to stop.</summary>
    public void Drains(SiloAddress silo)
    {
        lock (gate)
        {
            draining = draining.Add(silo);
        }

        Refresh();
    }

    /// <summary>Whether the silo may still answer: it has not been declared dead. Asks the membership anew where it does not know the silo.</summary>
    public async ValueTask<bool> IsAliveAsync(SiloAddress silo, CancellationToken cancellation)
    {
        if (!membership.CurrentSnapshot.Members.ContainsKey(silo))
        {
            await membership.Refresh(default, cancellation);
            Refresh();
        }

        return membership.CurrentSnapshot.Members.TryGetValue(silo, out var member) && member.Status != SiloStatus.Dead;
    }

    /// <summary>Silos that may serve partitions: all that have been active, unless they have been known as dead for longer than a lease.</summary>
    public IReadOnlyList<SiloAddress> MayServe(TimeSpan lease) =>
    [
        .. membership.CurrentSnapshot.Members.Values
            .Where(member => member.Status is SiloStatus.Active or SiloStatus.ShuttingDown or SiloStatus.Stopping || (member.Status == SiloStatus.Dead && DeadFor(member.SiloAddress) <= lease))
            .Select(member => member.SiloAddress),
    ];

    /// <summary>How long it has been known here that a silo is dead.</summary>
    public TimeSpan DeadFor(SiloAddress silo)
    {
        lock (gate)
        {
            if (!deadSince.TryGetValue(silo, out var since))
            {
                since = time.GetTimestamp();
                deadSince.Add(silo, since);
            }

            return time.GetElapsedTime(since);
        }
    }

    private void Take(ClusterMembershipSnapshot snapshot)
    {
        TaskCompletionSource? news = null;
        lock (gate)
        {
            foreach (var member in snapshot.Members.Values)
            {
                if (member.Status == SiloStatus.Dead)
                {
                    deadSince.TryAdd(member.SiloAddress, time.GetTimestamp());
                }
            }

            draining = draining.Intersect(snapshot.Members.Keys);
            var active = snapshot.Members.Values.Where(member => member.Status == SiloStatus.Active && !draining.Contains(member.SiloAddress)).ToList();
            var next = active
                .GroupBy(member => member.Name, StringComparer.Ordinal)
                .SelectMany(group => group.Count() == 1 ? [(group.Key, group.First().SiloAddress)] : group.Select(member => (Key: $"{member.Name}@{member.SiloAddress.ToParsableString()}", member.SiloAddress)))
                .ToImmutableSortedDictionary(item => item.Key, item => item.SiloAddress, StringComparer.Ordinal);
            if (!next.SequenceEqual(serving))
            {
                serving = next;
                news = Interlocked.Exchange(ref changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            }
        }

        news?.SetResult();
    }
}
