using System.Text;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Moves;

/// <summary>A move without traffic keeps the policy's state exactly.</summary>
public sealed class PolicyStateTests
{
    private const long Share = 32L << 20;

    /// <summary>Far below the share, so that the policy alone evicts, and not the slab's layout, which a move packs anew.</summary>
    private const long PolicyCapacity = (3L << 20) / EntryStore.WeightUnitBytes;

    private long now = 1_700_000_000_000;

    [Theory]
    [InlineData("arc", 1)]
    [InlineData("arc", 2)]
    [InlineData("arc", 3)]
    [InlineData("lru", 4)]
    public void A_moved_partition_goes_on_as_its_unmoved_twin(string policy, int seed)
    {
        using var arena = new PageArena(4 * Share);
        var larges = new LargeValueStore(arena, 1 << 20);
        var options = new PartitionOptions { Policy = policy, Seed = (ulong)seed, MaxValueBytes = 256 * 1024, DefaultTtlMs = 500_000, DefaultTtlJitterMs = 1000 };
        var moved = New(arena, options);
        var twin = New(arena, options);
        var trace = new Trace(seed);
        trace.Run(60_000, ref now, larges, moved, twin);
        Assert.Equal(MovedState.Of(twin), MovedState.Of(moved));
        if (policy == "arc")
        {
            Assert.All(moved.Store.Policy.NodeLists, static list => Assert.True(list.Count > 20, $"the trace leaves {list.Count} nodes on list {list.Home}"));
            Assert.InRange(moved.Store.Policy.ExactTarget, 1, PolicyCapacity - 1);
        }

        var header = PartitionHeader.Read(moved.Header(7).Write());
        var dead = MovedState.Of(moved).Count;
        var arrived = new Partition(new PageShare(arena, Share), options with { Seed = 99, Arriving = header });
        arrived.Store.Policy.SetCapacity(PolicyCapacity);
        arrived.Store.Policy.SetTarget(header.Target);
        var outcomes = MovedState.Pull(moved, arrived, larges, now);
        Assert.Equal(0, outcomes[ImportOutcome.NoRoom] + outcomes[ImportOutcome.Void] + outcomes[ImportOutcome.Present]);
        Assert.Equal(dead, MovedState.Of(arrived).Count);
        Assert.Equal(MovedState.Of(twin), MovedState.Of(arrived));
        arrived.CheckInvariants();

        var before = twin.GetStatistics().Evictions;
        trace.Run(40_000, ref now, larges, arrived, twin);
        Assert.True(twin.GetStatistics().Evictions - before > 10_000, $"only {twin.GetStatistics().Evictions - before} evictions");
        Assert.Equal(MovedState.Of(twin), MovedState.Of(arrived));
        arrived.CheckInvariants();
    }

    [Fact]
    public void What_was_prefetched_and_not_used_goes_along_as_the_coldest()
    {
        using var arena = new PageArena(4 * Share);
        var larges = new LargeValueStore(arena, 1 << 20);
        var options = new PartitionOptions { Seed = 1, MaxValueBytes = 256 * 1024 };
        var moved = New(arena, options);
        var sink = new CopyingSink();
        for (var i = 0; i < 100; i++)
        {
            var set = TestBed.On($"k{i}", OperationKind.Set);
            set.Value = "1"u8;
            set.Condition = Condition.IfAbsent;
            set.IsAhead = i >= 60;
            moved.Execute(set, now, sink, i);
        }

        Assert.Equal((100, 40), (moved.GetStatistics().Entries, moved.GetStatistics().PrefetchedEntries));
        var header = PartitionHeader.Read(moved.Header(7).Write());
        Assert.Equal(100, header.Entries);
        var arrived = new Partition(new PageShare(arena, Share), options with { Seed = 99, Arriving = header });
        var outcomes = MovedState.Pull(moved, arrived, larges, now);
        Assert.Equal(100, outcomes[ImportOutcome.Stored]);
        arrived.CheckInvariants();
        Assert.Equal((100, 0), (arrived.GetStatistics().Entries, arrived.GetStatistics().PrefetchedEntries));
        var recent = arrived.Store.Policy.NodeLists[0].ToArray().Select(node => int.Parse(System.Text.Encoding.UTF8.GetString(EntryRecord.Key(arrived.Store.Record(node)))[1..], System.Globalization.CultureInfo.InvariantCulture));
        Assert.All(recent.Take(40), static number => Assert.True(number >= 60));
    }

    private static Partition New(PageArena arena, PartitionOptions options)
    {
        var partition = new Partition(new PageShare(arena, Share), options);
        partition.Store.Policy.SetCapacity(PolicyCapacity);
        return partition;
    }

    /// <summary>Random operations, the same on two partitions, whose answers must be the same.</summary>
    private sealed class Trace(int seed)
    {
        private readonly Random random = new(seed);
        private int hits;
        private int position;

        public void Run(int steps, ref long now, LargeValueStore larges, params ReadOnlySpan<Partition> both)
        {
            for (var i = 0; i < steps; i++)
            {
                now += random.Next(5) == 0 ? 1 : 0;
                // A window that moves on teaches the policy recency, what lies in it often frequency.
                position++;
                var key = position / 8000 % 3 == 1 ? $"w{(position / 2) + random.Next(6000)}" : $"k{(int)(Math.Pow(random.NextDouble(), 3) * 30_000)}";
                var operation = TestBed.On(key, random.Next(40) switch { 0 => OperationKind.Delete, 1 => OperationKind.Expire, < 22 => OperationKind.Get, _ => OperationKind.Set });
                operation.ExpiresAt = operation.Kind == OperationKind.Expire ? now + 100_000 : 0;
                var value = new byte[random.Next(300) == 0 ? random.Next(9000, 120_000) : random.Next(20, 900)];
                random.NextBytes(value.AsSpan(0, 16));
                operation.SlidingMs = operation.Kind == OperationKind.Set && random.Next(5) == 0 ? 90_000 : 0;
                operation.Flags = (uint)random.Next(3);
                operation.Tags = random.Next(4) == 0 ? TestBed.Pack("red") : default;
                operation.ContentType = random.Next(4) == 0 ? "text/plain"u8 : default;
                CopiedAnswer? first = null;
                foreach (var partition in both)
                {
                    var sink = new CopyingSink();
                    if (value.Length > Limits.MaxInlineBytes)
                    {
                        operation.Large = larges.TryCreate(value);
                    }
                    else
                    {
                        operation.Value = value;
                    }

                    partition.Execute(operation, now, sink, 1);
                    if (operation.Large is not null && (operation.Kind != OperationKind.Set || sink.Last.Outcome != Outcome.Stored))
                    {
                        operation.Large.Release();
                    }

                    operation.Large = null;
                    first ??= sink.Last;
                    Assert.Equal(first.Outcome, sink.Last.Outcome);
                    Assert.Equal(first.Entry is null ? "" : MovedState.Text(first.Entry), sink.Last.Entry is null ? "" : MovedState.Text(sink.Last.Entry));
                    hits += sink.Last.Outcome == Outcome.Hit ? 1 : 0;
                }
            }

            Assert.True(hits > steps / 20, $"only {hits} hits");
        }
    }
}
