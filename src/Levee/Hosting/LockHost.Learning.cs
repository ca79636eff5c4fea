using Levee.Learning;
using Levee.Partitions;

namespace Levee.Hosting;

/// <summary>
/// The cache's eviction policy, and how "auto" chooses it: each visit of maintenance takes what the partitions noted of their sample, runs the miniatures on it outside of all locks, and tells the partitions which policy
/// is in force. Where the cache has other hosts too, one decider for all of them says so (<see cref="TakePolicyReport"/>, <see cref="SetPolicy"/>).
/// </summary>
public sealed partial class LockHost
{
    private readonly Lock learning = new();
    private readonly PolicySample[] visited = new PolicySample[Partition.MostSamples];
    private PolicyLearner? learner;
    private PolicySwitch policySwitch;
    private PolicyLearning? lastLearning;
    private bool isToldPolicy;
    private (long Requests, long Dropped, long CapacityBytes, long Entries, long EntryBytes) seen;

    /// <summary>The policy in force and how it came to be.</summary>
    public PolicySwitch PolicyInForce
    {
        get
        {
            lock (learning)
            {
                return policySwitch;
            }
        }
    }

    /// <summary>What "auto" has seen; null where the policy is another.</summary>
    public PolicyLearning? PolicyLearning
    {
        get
        {
            lock (learning)
            {
                return learner?.Learning;
            }
        }
    }

    /// <summary>What this host's miniatures saw since the last call, for the cache's one decider. From the first call on this host does not decide by itself.</summary>
    /// <returns>Null where there is nothing to report, or the policy is not "auto".</returns>
    public PolicyReport? TakePolicyReport()
    {
        lock (learning)
        {
            isToldPolicy = true;
            learner?.StopDeciding();
            return learner?.TakeReport();
        }
    }

    /// <summary>Takes the verdict of the cache's decider. What is older than what is known changes nothing.</summary>
    public void SetPolicy(PolicyVerdict verdict)
    {
        ArgumentNullException.ThrowIfNull(verdict);
        lock (learning)
        {
            if (learner is not null)
            {
                learner.Follow(verdict);
                policySwitch = learner.InForce;
            }
        }

        HurryMaintenance();
    }

    private static string FirstPolicyOf(CacheOptions options) => options.Policy == CacheOptions.AutoPolicy ? PolicyCandidates.First : options.Policy;

    private void StartLearning()
    {
        var current = Options;
        if (current.Policy == CacheOptions.AutoPolicy)
        {
            learner = new PolicyLearner(current.PolicyObjective, current.MemoryBytes - current.ReserveBytes, EntryStore.WeightUnitBytes, secret, slots.Length == 1 ? 64 : shift, policySwitch, decides: !isToldPolicy);
            policySwitch = learner.InForce;
        }
    }

    /// <summary>The user wants another policy: the partitions hear of it in maintenance. "auto" goes on with the one that is there, where that is a candidate.</summary>
    private void ChangePolicy(CacheOptions changed)
    {
        lock (learning)
        {
            StopLearning();
            if (changed.Policy != CacheOptions.AutoPolicy)
            {
                policySwitch = new PolicySwitch(policySwitch.Number + 1, changed.Policy, "configured");
            }

            StartLearning();
        }
    }

    private void StopLearning()
    {
        learner?.Dispose();
        learner = null;
    }

    /// <summary>What maintenance does for the policy while it holds a partition.</summary>
    /// <returns>How many samples it took.</returns>
    private int Visit(Partition partition)
    {
        lock (learning)
        {
            partition.SwitchPolicy(policySwitch.Number, policySwitch.Policy, Options.PolicyObjective.CostOf(EntryStore.WeightUnitBytes), policySwitch.Target);
            partition.SampleBelow(learner?.SampleBelow ?? 0);
            var count = partition.TakeSamples(visited);
            if (learner is null)
            {
                partition.Learning = null;
                return 0;
            }

            partition.Learning = lastLearning;
            var store = partition.Store;
            seen = (seen.Requests + partition.TakeRequests(), seen.Dropped + partition.SamplesDropped, seen.CapacityBytes + partition.CapacityBytes, seen.Entries + store.Count, seen.EntryBytes + (store.Policy.ResidentWeight * EntryStore.WeightUnitBytes));
            return count;
        }
    }

    private void Learn(int partition, int samples)
    {
        if (samples > 0)
        {
            lock (learning)
            {
                learner?.Take(partition, visited.AsSpan(0, samples), Clock.Now);
            }
        }
    }

    private void EndVisits()
    {
        lock (learning)
        {
            if (learner is not null && seen.CapacityBytes > 0)
            {
                learner.Observe(seen.Requests, seen.Dropped, seen.CapacityBytes, seen.Entries, seen.EntryBytes);
                policySwitch = learner.InForce;
                lastLearning = learner.Learning;
            }

            seen = default;
        }
    }
}
