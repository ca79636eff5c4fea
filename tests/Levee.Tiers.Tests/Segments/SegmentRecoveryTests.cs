using Levee.Testing;
using Levee.Tiers.Segments;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

/// <summary>What is left is damaged in every way: what is read is the last value or nothing.</summary>
public sealed class SegmentRecoveryTests
{
    [Fact]
    public async Task A_stored_segment_truncated_at_any_byte_never_revives_what_it_voided()
    {
        await using var rig = await ThreeSegmentsAsync();
        var name = rig.Store.Objects.Keys.Order().ElementAt(1);
        var whole = rig.Store.Objects[name];
        for (var length = 0; length < whole.Length; length += length > 200 && length < whole.Length - 400 ? 37 : 1)
        {
            rig.Store.Objects[name] = whole[..length];
            await CheckAsync(rig, $"truncated to {length}");
        }
    }

    [Fact]
    public async Task A_stored_segment_with_a_flipped_bit_never_revives_what_it_voided()
    {
        await using var rig = await ThreeSegmentsAsync();
        var name = rig.Store.Objects.Keys.Order().ElementAt(1);
        var whole = rig.Store.Objects[name];
        for (var at = 0; at < whole.Length; at += 3)
        {
            rig.Store.Objects[name] = [.. whole];
            rig.Store.Objects[name][at] ^= (byte)(1 << (at % 8));
            await CheckAsync(rig, $"bit flipped at {at}");
        }
    }

    [Fact]
    public async Task A_missing_segment_drops_only_what_is_older()
    {
        await using var rig = await ThreeSegmentsAsync();
        var name = rig.Store.Objects.Keys.Order().ElementAt(1);
        rig.Store.Objects.Remove(name);
        await using var next = await rig.Killed().StartAsync();
        Assert.Null(await next.ReadAsync("old-1"));
        Assert.Null(await next.ReadAsync("middle-1"));
        Assert.Equal("1", await next.ReadAsync("new-1"));
        Assert.Equal("1", await next.ReadAsync("open-1"));
        await using var again = await next.Killed().StartAsync();
        Assert.Null(await again.ReadAsync("old-1"));
        Assert.Equal("1", await again.ReadAsync("new-1"));
        Assert.Single(next.Store.Objects, pair => pair.Key.EndsWith("00000003.seg", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Without_its_state_nothing_is_vouched_for(bool isDeleted)
    {
        await using var rig = await ThreeSegmentsAsync();
        var killed = rig.Killed();
        await using var next = killed;
        var state = Path.Combine(killed.Folder, "state");
        if (isDeleted)
        {
            File.Delete(state);
        }
        else
        {
            var bytes = await File.ReadAllBytesAsync(state, TestContext.Current.CancellationToken);
            Random noise = new(1);
            noise.NextBytes(bytes);
            await File.WriteAllBytesAsync(state, bytes, TestContext.Current.CancellationToken);
        }

        await next.StartAsync();
        Assert.Null(await next.ReadAsync("old-1"));
        Assert.Null(await next.ReadAsync("open-1"));
        Assert.False(next.Tier.MayHold(TierRig.HashOf("old-1")));
        next.Demote("x", "1");
        Assert.Equal("1", await next.ReadAsync("x"));
    }

    [Fact]
    public async Task A_damaged_open_segment_drops_what_is_older()
    {
        await using var rig = await ThreeSegmentsAsync();
        for (var at = 64; at < 700; at += 5)
        {
            await using var next = rig.Killed();
            foreach (var file in Directory.EnumerateFiles(next.Folder, "*.seg"))
            {
                await using var stream = new FileStream(file, FileMode.Open);
                stream.Position = at;
                var value = stream.ReadByte();
                stream.Position = at;
                stream.WriteByte((byte)(value ^ 0x10));
            }

            await next.StartAsync();
            Assert.NotEqual("1", await next.ReadAsync("changed"));
            Assert.Null(await next.ReadAsync("deleted"));
        }
    }

    [Fact]
    public async Task A_store_rolled_back_brings_nothing_back()
    {
        await using var rig = await new TierRig { CapacityBytes = 512 << 10 }.StartAsync();
        rig.Demote("changed", "1");
        await FillAsync(rig, "a");
        var old = rig.Store.Copy();
        rig.Invalidate("changed");
        for (var round = 0; round < 30; round++)
        {
            await FillAsync(rig, $"r{round}");
        }

        foreach (var (name, bytes) in old.Objects)
        {
            rig.Store.Objects.TryAdd(name, bytes);
        }

        await using var next = await rig.Killed().StartAsync();
        Assert.Null(await next.ReadAsync("changed"));
        await next.Tier.StepAsync();
        Assert.DoesNotContain(old.Objects.Keys.Order().First(), next.Store.Objects.Keys);
    }

    private static async Task FillAsync(TierRig rig, string name)
    {
        for (var i = 0; i < 60; i++)
        {
            rig.Demote($"{name}-{i}", new string('f', 900));
        }

        await rig.Tier.StepAsync();
        rig.Time.Advance(61_000);
        await rig.Tier.StepAsync();
    }

    /// <summary>Two keys written in segment 1 are voided in segment 2; one is written anew in segment 3. Segment 4 is open.</summary>
    private static async Task<TierRig> ThreeSegmentsAsync()
    {
        var rig = await new TierRig().StartAsync();
        rig.Demote("changed", "1");
        rig.Demote("deleted", "1");
        rig.Demote("old-1", "1");
        await SealAsync(rig);
        rig.Invalidate("changed");
        rig.Invalidate("deleted");
        rig.Demote("middle-1", "1");
        await SealAsync(rig);
        rig.Demote("changed", "2", 2);
        rig.Demote("new-1", "1");
        await SealAsync(rig);
        rig.Demote("open-1", "1");
        await rig.Tier.StepAsync();
        Assert.Equal(3, rig.Store.Objects.Count);
        return rig;
    }

    private static async Task SealAsync(TierRig rig)
    {
        await rig.Tier.StepAsync();
        rig.Time.Advance(61_000);
        await rig.Tier.StepAsync();
    }

    private static async Task CheckAsync(TierRig rig, string damage)
    {
        await using var next = await rig.Killed().StartAsync();
        Assert.True(await next.ReadAsync("changed") is "2", damage);
        Assert.True(await next.ReadAsync("deleted") is null, damage);
        Assert.True(await next.ReadAsync("new-1") is "1", damage);
        Assert.True(await next.ReadAsync("middle-1") is null or "1", damage);
    }
}
