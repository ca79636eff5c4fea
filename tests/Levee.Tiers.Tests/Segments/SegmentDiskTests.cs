using System.Diagnostics;
using System.Text;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Levee.Tiers.Segments;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

/// <summary>A disk that is full, cannot be written or belongs to another process; a store that is gone for long.</summary>
public sealed class SegmentDiskTests
{
    private static readonly SegmentTierOptions Small = new() { SegmentBytes = 64 << 10, BufferBytes = 128 << 10, RunsLoops = false, MaxStaged = 2 };

    [Fact]
    public async Task A_full_disk_costs_demotions_and_nothing_that_it_took()
    {
        await using var disk = SmallDisk.Mount("size=1m");
        await using (var rig = await new TierRig(folder: disk.Folder) { Options = Small with { MaxStaged = 8 } }.StartAsync())
        {
            rig.Demote("a", "1");
            rig.Demote("b", "1");
            await rig.Tier.StepAsync();
            disk.Fill();
            rig.Store.IsBroken = true; // Else what it takes over would make room.
            var value = new string('v', 900);
            for (var i = 0; i < 1000; i++)
            {
                rig.Demote($"key-{i}", value);
                if (i % 50 == 0)
                {
                    await Assert.ThrowsAnyAsync<IOException>(() => StepAsync(rig));
                }
            }

            var statistics = rig.Tier.GetStatistics();
            Assert.True(statistics.Drops > 500, $"{statistics.Drops} were dropped");
            Assert.Equal(TierHealth.Degraded, statistics.Health);
            Assert.Contains("could be created", statistics.Problem, StringComparison.Ordinal);
            Assert.Equal("1", await rig.ReadAsync("b"));
            rig.Invalidate("a");
            var logged = 0;
            while (rig.Tier.RemoveByTag(0, "some tag"u8, (ulong)logged))
            {
                Assert.True(++logged < 3000, "the room that is kept for control records ends");
            }

            // Nothing further can be logged, so nothing further is acknowledged; what was is kept.
            Assert.True(logged > 10, $"only {logged} tag removals found room");
            Assert.False(rig.Tier.Clear(0, 3000));
            Assert.Equal(0, rig.Tier.Log.Counters.GenerationsGivenUp);
            Assert.Null(await rig.ReadAsync("a"));
            Assert.Equal("1", await rig.ReadAsync("b"));
            rig.Tier.Log.CheckInvariants();
            await using (var left = await rig.Killed().StartAsync())
            {
                Assert.Null(await left.ReadAsync("a"));
                Assert.Equal("1", await left.ReadAsync("b"));
            }

            disk.Free();
            rig.Store.IsBroken = false;
            await Task.Delay(1100, TestContext.Current.CancellationToken);
            await rig.Tier.StepAsync();
            rig.Demote("again", "1");
            await rig.Tier.StepAsync();
            Assert.Equal(TierHealth.Healthy, rig.Tier.GetStatistics().Health);
            Assert.StartsWith("open segment", rig.Tier.Explain(TierRig.HashOf("again"))!.Where, StringComparison.Ordinal);
            Assert.True(Write(rig, "through"));
            await rig.Tier.CommitAsync();
            await using var next = await rig.Killed().StartAsync();
            Assert.Equal("1", await next.ReadAsync("again"));
            Assert.Equal("1", await next.ReadAsync("through"));
        }
    }

    [Fact]
    public async Task A_disk_that_is_full_at_the_start_is_said_so()
    {
        await using var disk = SmallDisk.Mount("size=64k");
        disk.Fill();
        var refusal = await Assert.ThrowsAsync<TierException>(() => new TierRig(folder: disk.Folder).StartAsync());
        Assert.Contains(disk.Folder, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_is_said_so()
    {
        await using var disk = SmallDisk.Mount("size=1m,ro");
        var refusal = await Assert.ThrowsAsync<TierException>(() => new TierRig(folder: disk.Folder).StartAsync());
        Assert.Contains(disk.Folder, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("must be writable", refusal.Message, StringComparison.Ordinal);
        refusal = Assert.Throws<TierException>(() => FolderLock.Take(disk.Folder));
        Assert.Contains(disk.Folder, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_has_one_owner()
    {
        await using var rig = await new TierRig().StartAsync();
        rig.Demote("a", "1");
        await rig.Tier.StepAsync();
        var second = new TierRig(folder: rig.Folder);
        var refusal = await Assert.ThrowsAsync<TierException>(() => second.StartAsync());
        Assert.Contains("one process", refusal.Message, StringComparison.Ordinal);
        Assert.Equal("1", await rig.ReadAsync("a"));

        using var owner = FolderLock.Take(rig.Folder);
        Assert.Contains("in use by another process", Assert.Throws<TierException>(() => FolderLock.Take(rig.Folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_was_gone_for_long_takes_writes_that_go_through_again()
    {
        await using var rig = await new TierRig { Options = Small }.StartAsync();
        rig.Store.IsBroken = true;
        for (var i = 0; rig.Tier.RemoveByTag(0, "tag"u8, (ulong)i); i++)
        {
            rig.Demote($"key-{i}", "1");
            if (i % 20 == 0)
            {
                await Assert.ThrowsAnyAsync<IOException>(() => StepAsync(rig));
            }

            Assert.True(rig.Tier.Log.Table.StagedCount <= 4, "staged segments are bounded");
            Assert.True(i < 100_000, "the log is full at last");
        }

        Assert.Equal(0, rig.Tier.Log.Counters.GenerationsGivenUp);
        Assert.Equal("1", await rig.ReadAsync("key-0"));
        rig.Invalidate("key-0");
        Assert.Null(await rig.ReadAsync("key-0"));
        rig.Store.IsBroken = false;
        await rig.Tier.StepAsync();
        await rig.Tier.StepAsync();
        Assert.Equal("", rig.Tier.GetStatistics().Problem);
        Assert.True(Write(rig, "through"));
        await rig.Tier.CommitAsync();
        Assert.Empty(rig.Tier.Log.State.GivenUp);
        await using var next = await rig.Killed().StartAsync();
        Assert.Equal("1", await next.ReadAsync("through"));
    }

    private static async Task StepAsync(TierRig rig)
    {
        await rig.Tier.StepAsync();
        throw new IOException();
    }

    private static bool Write(TierRig rig, string key) =>
        rig.Tier.TryWriteThrough(new TierEntry { Hash = TierRig.HashOf(key), Key = Encoding.UTF8.GetBytes(key), Value = "1"u8, Version = 1, ExpiresAt = Limits.Never });

    /// <summary>A file system of its own in memory.</summary>
    private sealed class SmallDisk : IAsyncDisposable
    {
        private readonly string mount = TierRig.NewFolder();

        public string Folder => Path.Combine(mount, "tier");

        private string Filler => Path.Combine(mount, "filler");

        public static SmallDisk Mount(string options)
        {
            Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "a file system can only be mounted by root");
            var disk = new SmallDisk();
            var isReadOnly = options.EndsWith(",ro", StringComparison.Ordinal);
            Assert.SkipUnless(Run("mount", "-t", "tmpfs", "-o", options.Replace(",ro", "", StringComparison.Ordinal), "tmpfs", disk.mount), "no file system could be mounted here");
            Directory.CreateDirectory(disk.Folder);
            if (isReadOnly)
            {
                Run("mount", "-o", "remount,ro", disk.mount);
            }

            return disk;
        }

        public void Fill()
        {
            using var file = File.Create(Filler, 1);
            for (var length = 64 << 10; length > 0;)
            {
                try
                {
                    RandomAccess.Write(file.SafeFileHandle, new byte[length], RandomAccess.GetLength(file.SafeFileHandle));
                }
                catch (IOException)
                {
                    length /= 4;
                }
            }
        }

        public void Free() => File.Delete(Filler);

        public ValueTask DisposeAsync()
        {
            Run("umount", "-l", mount);
            Directory.Delete(mount, recursive: true);
            return ValueTask.CompletedTask;
        }

        private static bool Run(string program, params string[] arguments)
        {
            using var process = Process.Start(program, arguments);
            process.WaitForExit();
            return process.ExitCode == 0;
        }
    }
}
