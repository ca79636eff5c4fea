using Levee.Keys;
using Levee.Operations;
using Levee.Partitions;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Tiers.Tests;

public sealed class TierChainTests
{
    [Fact]
    public async Task A_write_that_goes_through_leaves_nothing_of_its_key_further_down_not_even_its_own_version()
    {
        var first = new ToldTier();
        var second = new ToldTier();
        await using var chain = new TierChain("default", 1, [first, second], TimeProvider.System, NullLogger.Instance);
        var key = "k"u8.ToArray();
        Assert.True(chain.TryWriteThrough(new TierEntry { Key = key, Hash = KeyHash.Of(key), Version = 7, ExpiresAt = 1000 }));
        Assert.Equal(["write 7"], first.Told);
        Assert.Equal(["invalidate 7"], second.Told);
    }

    [Fact]
    public async Task What_voids_a_key_is_told_to_all_tiers_and_what_leaves_memory_to_the_first()
    {
        var first = new ToldTier();
        var second = new ToldTier();
        await using var chain = new TierChain("default", 1, [first, second], TimeProvider.System, NullLogger.Instance);
        var key = "k"u8.ToArray();
        chain.Demote(new TierEntry { Key = key, Hash = KeyHash.Of(key), Version = 1, ExpiresAt = Limits.Never });
        chain.Invalidate(KeyHash.Of(key), 2);
        chain.RemoveByTag(0, "red"u8, 3);
        chain.Clear(0, 4);
        chain.Reserve(5);
        Assert.Equal(["demote 1", "invalidate 2", "remove 3", "clear 4", "reserve 5"], first.Told);
        Assert.Equal(["invalidate 2", "remove 3", "clear 4", "reserve 5"], second.Told);
    }

    /// <summary>A tier that may hold everything and notes what it is told.</summary>
    private sealed class ToldTier : ITier
    {
        public List<string> Told { get; } = [];

        public string Name => "told";

        public string Kind => "file";

        public ITier? Below { get; set; }

        public long FloorMs => 0;

        public long HoldsFromMs => 0;

        public bool IsCommitted => true;

        public Task StartAsync(ITierHost host, CancellationToken cancellation) => Task.CompletedTask;

        public ValueTask<TierRead> ReadAsync(ulong hash, ReadOnlyMemory<byte> key, CancellationToken cancellation) => ValueTask.FromResult(TierRead.Absent);

        public void Reserve(long untilMs) => Told.Add($"reserve {untilMs}");

        public Task DrainAsync(CancellationToken cancellation) => Task.CompletedTask;

        public ValueTask<long> ScanAsync(long position, TierEntryVisitor visit, CancellationToken cancellation) => ValueTask.FromResult(0L);

        public TierStatistics GetStatistics() => new();

        public TierPlace? Explain(ulong hash) => null;

        public Task StopAsync(CancellationToken cancellation) => Task.CompletedTask;

        public bool MayHold(ulong hash) => true;

        public void Demote(scoped in TierEntry entry) => Told.Add($"demote {entry.Version}");

        public bool Keep(ulong hash) => false;

        public void Promoted(ulong hash) => Told.Add("promoted");

        public bool TryWriteThrough(scoped in TierEntry entry)
        {
            Told.Add($"write {entry.Version}");
            return true;
        }

        public void Invalidate(ulong hash, ulong version) => Told.Add($"invalidate {version}");

        public void Forget(ulong hash) => Told.Add("forget");

        public void RemoveByTag(int partition, ReadOnlySpan<byte> tag, ulong version) => Told.Add($"remove {version}");

        public void Clear(int partition, ulong version) => Told.Add($"clear {version}");

        public ValueTask CommitAsync() => ValueTask.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
