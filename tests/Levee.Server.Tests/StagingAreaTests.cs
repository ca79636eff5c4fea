using Xunit;

namespace Levee.Server.Tests;

public sealed class StagingAreaTests : IDisposable
{
    private const int Capacity = 100_000;

    private readonly Clock clock = new();
    private readonly StagingArea area;

    public StagingAreaTests() => area = new StagingArea(Capacity, clock);

    private static long Patience => (long)StagingArea.Patience.TotalMilliseconds;

    public void Dispose() => area.Dispose();

    [Fact]
    public void What_is_free_for_each_is_not_counted()
    {
        var owner = new Owner(area);
        owner.Hold(StagingArea.FreeBytes);
        Assert.Equal(0, area.HeldBytes);
        owner.Hold(StagingArea.FreeBytes + 1);
        Assert.Equal(StagingArea.FreeBytes + 1, area.HeldBytes);
        owner.Hold(10);
        Assert.Equal(0, area.HeldBytes);
    }

    [Fact]
    public void Holders_that_stall_give_way_those_first_that_moved_least_recently()
    {
        Owner[] owners = [new(area), new(area), new(area)];
        foreach (var owner in owners)
        {
            owner.Hold(30_000);
            clock.Milliseconds += 10;
        }

        owners[0].Hold(30_000, moved: StagingArea.ProgressBytes);
        clock.Milliseconds += Patience;
        var newcomer = new Owner(area);
        newcomer.Hold(20_000);
        Assert.Equal([false, true, false], owners.Select(owner => owner.GaveWay));
        Assert.Equal(80_000, area.HeldBytes);
        Assert.Equal(1, area.DroppedHolders);
    }

    [Fact]
    public void A_few_bytes_now_and_then_are_no_progress()
    {
        var trickles = new Owner(area);
        trickles.Hold(90_000);
        for (var i = 0; i < 20; i++)
        {
            clock.Milliseconds += Patience / 10;
            trickles.Hold(90_000, moved: 1);
        }

        new Owner(area).Hold(20_000);
        Assert.True(trickles.GaveWay);
    }

    [Fact]
    public void Who_waits_for_the_server_does_not_stall()
    {
        var waits = new Owner(area);
        waits.Hold(90_000, awaitsClient: false);
        clock.Milliseconds += 100 * Patience;
        new Owner(area).Hold(20_000);
        Assert.False(waits.GaveWay);
        waits.Hold(90_000);
        new Owner(area).Hold(20_000);
        Assert.False(waits.GaveWay);
        clock.Milliseconds += Patience;
        new Owner(area).Hold(20_000);
        Assert.True(waits.GaveWay);
    }

    [Fact]
    public void Requests_that_all_move_finish_one_after_the_other()
    {
        Owner[] owners = [.. Enumerable.Range(0, 4).Select(_ => new Owner(area))];
        foreach (var owner in owners)
        {
            owner.Hold(25_000);
        }

        Assert.True(owners[0].Holder.MayGrow());
        Assert.All(owners[1..], owner => Assert.False(owner.Holder.MayGrow()));
        Assert.All(owners[1..], owner => Assert.True(owner.Holder.IsWaiting));
        for (var held = 30_000; held <= 100_000; held += 10_000)
        {
            owners[0].Hold(held, moved: 10_000);
            Assert.True(owners[0].Holder.MayGrow());
        }

        // Those who wait do so through no fault of their own, for however long.
        clock.Milliseconds += Patience;
        owners[0].Hold(100_000, moved: 10_000);
        Assert.DoesNotContain(owners, owner => owner.GaveWay || owner.Resumed > 0);
        owners[0].Hold(0);
        Assert.Equal(1, owners[1].Resumed);
        Assert.True(owners[1].Holder.MayGrow());
        owners[1].Hold(0);
        owners[2].Hold(0);
        owners[3].Hold(0);
        Assert.Equal(0, area.HeldBytes);
        Assert.DoesNotContain(owners, owner => owner.GaveWay);
    }

    [Fact]
    public void Who_waits_goes_on_when_the_one_that_may_grow_stalls()
    {
        Owner grows = new(area), waits = new(area);
        grows.Hold(60_000);
        waits.Hold(60_000);
        Assert.True(grows.Holder.MayGrow());
        Assert.False(waits.Holder.MayGrow());
        clock.Milliseconds += Patience;
        clock.FireTimers();
        Assert.True(grows.GaveWay);
        Assert.Equal(1, waits.Resumed);
        Assert.True(waits.Holder.MayGrow());
    }

    [Fact]
    public void Beyond_twice_the_capacity_nobody_has_patience()
    {
        Owner[] owners = [.. Enumerable.Range(0, 30).Select(_ => new Owner(area))];
        foreach (var owner in owners)
        {
            owner.Hold(10_000);
        }

        Assert.InRange(area.HeldBytes, Capacity, 2 * Capacity);
        Assert.Equal(10, owners.Count(owner => owner.GaveWay));
        Assert.All(owners[..10], owner => Assert.True(owner.GaveWay));
    }

    [Fact]
    public void Where_a_cache_has_no_page_stalled_holders_give_way_though_there_is_room()
    {
        Owner first = new(area), second = new(area);
        first.Hold(20_000);
        second.Hold(20_000);
        area.DropStalled(10_000);
        Assert.False(first.GaveWay);
        clock.Milliseconds += Patience;
        area.DropStalled(10_000);
        Assert.True(first.GaveWay);
        Assert.False(second.GaveWay);
    }

    [Fact]
    public void Who_gave_way_may_hold_again()
    {
        var owner = new Owner(area);
        owner.Hold(90_000);
        clock.Milliseconds += Patience;
        new Owner(area).Hold(20_000);
        Assert.True(owner.GaveWay);
        owner.Hold(50_000);
        Assert.Equal(20_000, area.HeldBytes);
        owner.Holder.Revive();
        owner.Hold(50_000);
        Assert.Equal(70_000, area.HeldBytes);
    }

    private sealed class Owner : IStagingOwner
    {
        public Owner(StagingArea area) => Holder = new StagingHolder(area, this);

        public StagingHolder Holder { get; }

        public bool GaveWay { get; private set; }

        public int Resumed { get; private set; }

        public void Hold(long bytes, int moved = 0, bool awaitsClient = true) => Holder.Hold(bytes, moved, awaitsClient);

        void IStagingOwner.GiveWay(bool isAtOnce) => GaveWay = true;

        void IStagingOwner.Resume() => Resumed++;
    }

    private sealed class Clock : TimeProvider
    {
        private readonly List<Action> timers = [];

        public long Milliseconds { get; set; } = 1_000_000;

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => Milliseconds;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            timers.Add(() => callback(state));
            return new NoTimer();
        }

        public void FireTimers() => timers.ForEach(static timer => timer());

        private sealed class NoTimer : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => default;
        }
    }
}
