using Levee.Caching;
using Levee.Testing;
using Levee.Tests.Caching;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>The public face over a cluster of two silos, through its client.</summary>
public sealed class ClientBatteryTests : ClusterBattery
{
    private protected override ILeveeCache FaceOf(ClusterRig rig) => rig.Client;
}

/// <summary>The public face over a cluster of two silos, through one of them: half of the partitions are there.</summary>
public sealed class SiloBatteryTests : ClusterBattery
{
    private protected override ILeveeCache FaceOf(ClusterRig rig) => rig.CacheOn(rig.Cluster.Silos[1]);
}

public abstract class ClusterBattery : LeveeCacheBattery, IAsyncLifetime
{
    private ClusterRig? rig;

    protected override ILeveeCache Cache => FaceOf(rig!);

    public async ValueTask InitializeAsync()
    {
        rig = await ClusterRig.StartAsync(
            silos: 2,
            configure: options => options.Caches.Add(Options),
            client: options =>
            {
                options.Caches.Clear();
                options.Caches.Add(Options.Name);
            },
            time: new StandingWallClock(Time));
        await rig.BalancedAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await rig!.DisposeAsync();
    }

    private protected abstract ILeveeCache FaceOf(ClusterRig rig);

    /// <summary>A wall clock that moves when the test says so; timers and timestamps are the system's.</summary>
    private sealed class StandingWallClock(ManualTime time) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => time.GetUtcNow();
    }
}
