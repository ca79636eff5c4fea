using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Hosting;

/// <summary>A tag removal or a clear that the tiers have no room to log is refused, and has not happened.</summary>
public sealed class UnloggedRemovalTests
{
    [Theory]
    [InlineData(OperationKind.RemoveByTag)]
    [InlineData(OperationKind.Clear)]
    public async Task It_is_not_acknowledged_and_the_entry_stays(OperationKind kind)
    {
        var tier = new FakeTier { Holds = static _ => false, Logs = false };
        await using var host = new LockHost(new CacheOptions { Name = "full", MemoryBytes = 16L << 20, Partitions = 1 }, TimeProvider.System, tier, seed: 1, maintains: false);
        Assert.Equal(Outcome.Stored, Ask(new Operation { Kind = OperationKind.Set, Key = "k"u8, Hash = KeyHash.Of("k"u8), Value = "v"u8, Tags = TestBed.Pack("red") }));
        Assert.Equal(Outcome.Unavailable, Ask(new Operation { Kind = kind, Key = "red"u8 }));
        Assert.Equal(Outcome.Hit, Ask(new Operation { Kind = OperationKind.Get, Key = "k"u8, Hash = KeyHash.Of("k"u8) }));
        tier.Logs = true;
        Assert.Equal(Outcome.Done, Ask(new Operation { Kind = kind, Key = "red"u8 }));
        Assert.Equal(Outcome.Miss, Ask(new Operation { Kind = OperationKind.Get, Key = "k"u8, Hash = KeyHash.Of("k"u8) }));

        Outcome Ask(in Operation operation)
        {
            var sink = new LastOutcome();
            host.Submit(operation, sink, 0);
            return sink.Outcome;
        }
    }

    private sealed class LastOutcome : IAnswerSink
    {
        public Outcome Outcome { get; private set; }

        public void Answer(long ticket, in Answer answer) => Outcome = answer.Outcome;
    }
}
