using System.Text;
using Levee.Caching;
using Levee.Operations;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;
using Orleans.TestingHost;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>A silo that was declared dead and lives: it was frozen, or cut off from the membership table. It must not answer what others have overwritten.</summary>
public sealed class TwoOwnersTests
{
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(1);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ASiloThatWasReplacedAnswersNothingOlder()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 3, configure: ClusterRig.Failing);
        await rig.BalancedAsync();
        var victim = rig.Cluster.Silos[2];
        var others = rig.Cluster.Silos.Take(2).ToArray();
        var keys = rig.PartitionsOf(victim).Select(partition => rig.KeyIn(partition, "k")).ToArray();
        Assert.NotEmpty(keys);
        var partitions = keys.Select(rig.PartitionOf).ToArray();
        var own = rig.CacheOn(victim);
        var versions = new Dictionary<string, ulong>();
        foreach (var key in keys)
        {
            versions[key] = (await own.SetAsync(key, "old"u8.ToArray(), cancellationToken: Cancellation)).Version;
        }

        // While it is cut off its own door is asked all the time; what begins after a new value was acknowledged may not see the old one.
        var acknowledged = new bool[keys.Length];
        var lies = 0;
        var olds = 0;
        var isOver = false;
        var reader = Task.Run(async () =>
        {
            for (var i = 0; !Volatile.Read(ref isOver); i = (i + 1) % keys.Length)
            {
                var isReplaced = Volatile.Read(ref acknowledged[i]);
                var value = await AskAsync(own, keys[i]);
                olds += value == "old" ? 1 : 0;
                lies += value == "old" && isReplaced ? 1 : 0;
            }
        }, Cancellation);
        await Eventually.HoldsAsync(() => Volatile.Read(ref olds) > 100);

        rig.MembershipOf(victim).Cut();
        var declared = TimeProvider.System.GetTimestamp();
        await DeclareDeadAsync(rig, victim, others);
        var opened = new TimeSpan[keys.Length];
        for (var i = 0; i < keys.Length; i++)
        {
            var door = rig.CacheOn(others[i % 2]);
            while (true)
            {
                var written = await TrySetAsync(door, keys[i]);
                if (written.IsDone)
                {
                    Assert.True(written.Version > versions[keys[i]], $"version {written.Version} after {versions[keys[i]]}");
                    versions[keys[i]] = written.Version;
                    break;
                }
            }

            opened[i] = TimeProvider.System.GetElapsedTime(declared);
            Volatile.Write(ref acknowledged[i], true);
        }

        Assert.All(opened, time => Assert.True(time >= Lease, $"opened {time.TotalMilliseconds} ms after the death, the lease being {Lease.TotalMilliseconds}"));
        Assert.All(partitions, partition => Assert.False(rig.Levee(victim).Hosts[0].IsOpen(partition)));

        // It wakes up, and its grains claim what it believes to have.
        rig.MembershipOf(victim).Restore();
        foreach (var key in keys)
        {
            for (var i = 0; i < 20; i++)
            {
                Assert.NotEqual("old", await AskAsync(own, key));
            }
        }

        // It has nothing to give away any more, and does not try.
        await Eventually.HoldsAsync(() => rig.Levee(victim).Obstacle is { } obstacle && (obstacle.Contains("dead", StringComparison.Ordinal) || obstacle.Contains("stopping", StringComparison.Ordinal)));
        await rig.Levee(victim).DrainAsync(Cancellation).WaitAsync(Eventually.Patience, Cancellation);
        Volatile.Write(ref isOver, true);
        await reader.WaitAsync(Eventually.Patience, Cancellation);
        Assert.Equal(0, lies);
        foreach (var key in keys)
        {
            foreach (var door in others.Select(rig.CacheOn).Append(rig.Client))
            {
                var entry = await door.GetEntryAsync(key, Cancellation);
                Assert.Equal((versions[key], "new"), (entry!.Version, Encoding.UTF8.GetString(entry.Value.Span)));
            }
        }
    }

    [Fact]
    public async Task ASiloThatIsOnlyCutOffGoesOnWhenTheTableIsBack()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 2, configure: ClusterRig.Failing);
        await rig.BalancedAsync();
        var silo = rig.Cluster.Silos[1];
        var key = rig.KeyIn(rig.PartitionsOf(silo)[0], "k");
        await rig.CacheOn(silo).SetAsync(key, "kept"u8.ToArray(), cancellationToken: Cancellation);
        rig.MembershipOf(silo).Cut();
        await Eventually.HoldsAsync(() => rig.Levee(silo).Obstacle is not null);
        Assert.NotEqual("kept", await AskAsync(rig.CacheOn(silo), key));
        rig.MembershipOf(silo).Restore();
        await Eventually.HoldsAsync(() => rig.Levee(silo).Obstacle is null);
        Assert.Equal("kept", await FindAsync(rig.Client, key));
        Assert.True(rig.Levee(silo).LeaseLapses >= 1);
    }

    /// <summary>
    /// The lease lapses while a silo gives its partitions away: they move with what they hold, and when the lease is back the silo does not
    /// go on with what it had.
    /// </summary>
    [Fact]
    public async Task ASiloWhoseLeaseLapsesDuringAMoveAnswersNothingOlder()
    {
        await using var rig = await ClusterRig.StartAsync(silos: 2, configure: ClusterRig.Failing);
        await rig.BalancedAsync();
        var (lapsed, other) = (rig.Cluster.Silos[1], rig.Cluster.Silos[0]);
        var keys = rig.PartitionsOf(lapsed).Select(partition => rig.KeyIn(partition, "k")).ToArray();
        Assert.NotEmpty(keys);
        var own = rig.CacheOn(lapsed);
        var versions = new Dictionary<string, ulong>();
        foreach (var key in keys)
        {
            SetResult written;
            do
            {
                written = await TrySetAsync(own, key, "old");
            }
            while (!written.IsDone);

            versions[key] = written.Version;
        }

        rig.MembershipOf(lapsed).Cut();
        await Eventually.HoldsAsync(() => rig.Levee(lapsed).Obstacle is not null);
        var draining = rig.Levee(lapsed).DrainAsync(Cancellation);
        await Eventually.HoldsAsync(() => rig.PartitionsOf(other).Length == rig.Levee(other).Hosts[0].PartitionCount);
        foreach (var key in keys)
        {
            Assert.Equal("old", await FindAsync(rig.CacheOn(other), key));
            SetResult written;
            do
            {
                written = await TrySetAsync(rig.CacheOn(other), key);
            }
            while (!written.IsDone);

            Assert.True(written.Version > versions[key], $"version {written.Version} after {versions[key]}");
        }

        rig.MembershipOf(lapsed).Restore();
        await Eventually.HoldsAsync(() => rig.Levee(lapsed).Obstacle is null);
        Assert.Empty(rig.PartitionsOf(lapsed));
        foreach (var key in keys)
        {
            for (var i = 0; i < 20; i++)
            {
                Assert.NotEqual("old", await AskAsync(own, key));
            }
        }

        await draining.WaitAsync(Eventually.Patience, Cancellation);
        foreach (var key in keys)
        {
            Assert.Equal("new", await FindAsync(rig.CacheOn(other), key));
        }
    }

    /// <summary>What a door gives that may have to wait for too long now and then, which is a miss.</summary>
    private static async Task<string?> FindAsync(ILeveeCache door, string key)
    {
        string? value = null;
        for (var i = 0; i < 100 && value is null; i++)
        {
            value = await AskAsync(door, key);
        }

        return value;
    }

    /// <summary>What a door gives: a miss and a refusal are the same to whoever must not be lied to.</summary>
    private static async Task<string?> AskAsync(ILeveeCache door, string key)
    {
        try
        {
            return await door.GetAsync(key, Cancellation) is { } value ? Encoding.UTF8.GetString(value) : null;
        }
        catch (Exception refused) when (refused is not OperationCanceledException || !Cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    private static async Task<SetResult> TrySetAsync(ILeveeCache door, string key, string value = "new")
    {
        try
        {
            return await door.SetAsync(key, Encoding.UTF8.GetBytes(value), cancellationToken: Cancellation);
        }
        catch (CacheUnavailableException)
        {
            return new SetResult(Outcome.Unavailable, 0, 0);
        }
    }

    private static async Task DeclareDeadAsync(ClusterRig rig, InProcessSiloHandle victim, InProcessSiloHandle[] others)
    {
        var table = rig.MembershipOf(victim).Table;
        for (var isWritten = false; !isWritten;)
        {
            var rows = await table.ReadAllAsync(Cancellation);
            var (entry, etag) = rows.TryGet(victim.SiloAddress)!;
            entry.Status = SiloStatus.Dead;
            isWritten = await table.UpdateRowAsync(entry, etag, rows.Version.Next(), Cancellation);
        }

        foreach (var other in others)
        {
            await other.ServiceProvider.GetRequiredService<IClusterMembershipService>().Refresh(default, Cancellation);
        }
    }
}
