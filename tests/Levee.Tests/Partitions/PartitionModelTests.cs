using System.Text;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Xunit;

namespace Levee.Tests.Partitions;

/// <summary>Random operations against a dictionary: a cache may forget, but never lies.</summary>
public sealed class PartitionModelTests
{
    [Theory]
    [InlineData(1, "arc")]
    [InlineData(2, "arc")]
    [InlineData(3, "lru")]
    public void Every_hit_is_the_last_value_written(int seed, string policy)
    {
        var random = new Random(seed);
        using var arena = new PageArena(3 << 20);
        var partition = new Partition(new PageShare(arena, 2 << 20), new PartitionOptions { Policy = policy, Seed = (ulong)seed, MaxValueBytes = 64 * 1024 });
        var large = new LargeValueStore(arena, 64 * 1024);
        var model = new Dictionary<string, (byte[] Value, long ExpiresAt)>();
        var sink = new CopyingSink();
        var now = 1_700_000_000_000L;
        var hits = 0;
        for (var step = 0; step < 60_000; step++)
        {
            now += random.Next(3);
            var key = $"key:{random.Next(random.Next(2) == 0 ? 200 : 8000)}";
            var bytes = Encoding.UTF8.GetBytes(key);
            var operation = new Operation { Key = bytes, Hash = KeyHash.Of(bytes) };
            switch (random.Next(10))
            {
                case < 5:
                    operation.Kind = OperationKind.Get;
                    partition.Execute(operation, now, sink, step);
                    if (sink.Outcome == Outcome.Hit)
                    {
                        hits++;
                        Assert.True(model.TryGetValue(key, out var expected), $"step {step}: {key} was removed");
                        Assert.True(expected.ExpiresAt > now, $"step {step}: {key} has expired");
                        Assert.True(expected.Value.AsSpan().SequenceEqual(sink.Value), $"step {step}: {key} has another value");
                    }

                    break;
                case < 9:
                    var value = new byte[random.Next(20) == 0 ? random.Next(60_000) : random.Next(400)];
                    random.NextBytes(value);
                    operation.Kind = OperationKind.Set;
                    operation.ExpiresAt = random.Next(3) == 0 ? now + random.Next(1, 300) : 0;
                    operation.Flags = (uint)random.Next(2);
                    if (value.Length > Limits.MaxInlineBytes)
                    {
                        operation.Large = large.TryCreate(value);
                        if (operation.Large is null)
                        {
                            continue;
                        }
                    }
                    else
                    {
                        operation.Value = value;
                    }

                    partition.Execute(operation, now, sink, step);
                    if (sink.Outcome == Outcome.Stored)
                    {
                        model[key] = (value, operation.ExpiresAt == 0 ? Limits.Never : operation.ExpiresAt);
                    }
                    else
                    {
                        operation.Large?.Release();
                        Assert.Equal(Outcome.OutOfMemory, sink.Outcome);
                    }

                    break;
                default:
                    operation.Kind = OperationKind.Delete;
                    partition.Execute(operation, now, sink, step);
                    model.Remove(key);
                    break;
            }

            if (step % 50 == 0)
            {
                partition.Maintain(now);
            }

            if (step % 1000 == 0)
            {
                partition.CheckInvariants();
            }
        }

        partition.CheckInvariants();
        var statistics = partition.GetStatistics();
        Assert.InRange(hits, 2000, 30_000);
        Assert.True(statistics.Evictions > 1000, $"only {statistics.Evictions} evictions");
        Assert.True(statistics.Expirations > 100, $"only {statistics.Expirations} expirations");
        Assert.True(statistics.HeldBytes <= 2 << 20, $"holds {statistics.HeldBytes}");
    }

    private sealed class CopyingSink : IAnswerSink
    {
        public Outcome Outcome { get; private set; }

        public byte[] Value { get; private set; } = [];

        public void Answer(long ticket, in Answer answer)
        {
            Outcome = answer.Outcome;
            if (!answer.Entry.IsEmpty)
            {
                Value = new byte[answer.Entry.ValueLength];
                if (answer.Entry.Large is { } large)
                {
                    large.CopyTo(0, Value);
                }
                else
                {
                    answer.Entry.Value.CopyTo(Value);
                }
            }
        }
    }
}
