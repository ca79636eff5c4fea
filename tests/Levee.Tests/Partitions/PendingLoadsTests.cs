using System.Globalization;
using System.Text;
using Levee.Hosting;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Partitions;

/// <summary>A cache above a tier that answers late, out of order, or not at all.</summary>
public sealed class PendingLoadsTests : IAsyncDisposable
{
    private readonly FakeTier tier = new();
    private readonly CopyingSink sink = new();
    private readonly LockHost host;
    private long ticket;

    public PendingLoadsTests() =>
        host = new LockHost(new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 }, new ManualTime(), tier, seed: 1, maintains: false);

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public void Many_readers_share_one_load_and_are_answered_in_order()
    {
        tier.Put("k", "v");
        for (var i = 0; i < 5; i++)
        {
            Submit("k", OperationKind.Get);
        }

        Assert.Empty(sink.Answers);
        Assert.Equal(1, tier.Loads);
        tier.Complete();
        Assert.Equal(["1 Hit v", "2 Hit v", "3 Hit v", "4 Hit v", "5 Hit v"], Answers());
        Submit("k", OperationKind.Get);
        Assert.Equal(["6 Hit v"], Answers());
        Assert.Equal(1, tier.Loads);
    }

    [Fact]
    public void A_write_that_overtakes_a_load_is_not_seen_by_those_who_asked_before_nor_undone_by_the_result()
    {
        tier.Put("k", "old");
        Submit("k", OperationKind.Get);
        Submit("k", OperationKind.Set, "new");
        Submit("k", OperationKind.Get);
        Assert.Equal(["2 Stored new", "3 Hit new"], Answers());
        Assert.Single(tier.Cancelled);
        tier.Complete();
        Submit("k", OperationKind.Get);
        Assert.Equal(["1 Hit old", "4 Hit new"], Answers());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_read_that_found_nothing_below_does_not_see_a_later_write(bool fails)
    {
        Submit("k", OperationKind.Get);
        Submit("k", OperationKind.Set, "new");
        tier.Complete(0, fails);
        Assert.Equal(["2 Stored new", "1 Miss"], Answers());
    }

    [Fact]
    public void Conditional_writes_wait_and_later_writes_wait_behind_them()
    {
        tier.Put("k", "5");
        Submit("k", OperationKind.Increment, number: 1);
        Submit("k", OperationKind.Get);
        Submit("k", OperationKind.Set, "9");
        Submit("k", OperationKind.Set, "x", Condition.IfAbsent);
        Submit("other", OperationKind.Set, "y");
        Assert.Equal(["5 Stored y"], Answers());
        tier.Complete();
        Assert.Equal(["1 Stored 6", "2 Hit 6", "3 Stored 9", "4 ConditionFailed 9"], Answers());
    }

    [Fact]
    public void A_failed_load_is_a_miss_for_readers_and_unavailable_for_writers()
    {
        Submit("k", OperationKind.Get);
        Submit("k", OperationKind.Increment, number: 1);
        Submit("k", OperationKind.Delete);
        Submit("k", OperationKind.Peek);
        tier.Complete(0, fails: true);
        Assert.Equal(["1 Miss", "2 Unavailable", "3 Unavailable", "4 Miss"], Answers());
        Assert.Equal(0, Statistics().Entries);
    }

    [Fact]
    public void A_clear_voids_what_is_on_its_way_and_keeps_the_order_of_those_who_wait()
    {
        tier.Put("k", "5");
        Submit("k", OperationKind.Increment, number: 1);
        Do(new Operation { Kind = OperationKind.Clear });
        Submit("k", OperationKind.Get);
        Assert.Single(tier.Cancelled);
        Answers();
        tier.Complete(0, fails: true);
        Assert.Equal(["1 Stored 1", "3 Hit 1"], Answers());
        Submit("other", OperationKind.Get);
        Assert.Equal(2, tier.Loads);
    }

    [Fact]
    public void A_tag_removal_hides_what_it_means_and_nothing_else()
    {
        tier.Put("tagged", "5", 1, Limits.Never, "red");
        tier.Put("free", "5", 1, Limits.Never, "blue");
        Submit("tagged", OperationKind.Increment, number: 1);
        Submit("free", OperationKind.Increment, number: 1);
        Do(TestBed.On("red", OperationKind.RemoveByTag));
        while (host.MaintainOnce())
        {
        }

        Submit("tagged", OperationKind.Get);
        Answers();
        tier.Complete();
        tier.Complete();
        Assert.Equal(["1 Stored 1", "4 Hit 1", "2 Stored 6"], Answers());
        Submit("tagged", OperationKind.Delete);
        Submit("tagged", OperationKind.Get);
        tier.Complete();
        Assert.Equal(["5 Removed 1", "6 Miss"], Answers());
    }

    [Fact]
    public void What_has_expired_below_is_not_promoted()
    {
        tier.Put("k", "v", 1, expiresAt: 1_600_000_000_000);
        Submit("k", OperationKind.Get);
        tier.Complete();
        Assert.Equal(["1 Miss"], Answers());
        Assert.Equal(0, Statistics().Entries);
    }

    /// <summary>Each key is incremented and read in random order with loads that end in random order, some failing; each read sees exactly the increments before it.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Counters_add_up_whatever_order_loads_end_in(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < 50; i++)
        {
            tier.Put($"k{i}", "100");
        }

        var submitted = new Dictionary<long, (int Key, OperationKind Kind)>();
        var sums = Enumerable.Repeat(100L, 50).ToArray();
        var refused = 0;
        var answered = 0;
        for (var step = 0; step < 5000; step++)
        {
            if (random.Next(3) > 0 || tier.Pending.Count == 0)
            {
                var key = random.Next(50);
                var kind = random.Next(2) == 0 ? OperationKind.Get : OperationKind.Increment;
                submitted.Add(ticket + 1, (key, kind));
                Submit($"k{key}", kind, number: 1);
            }
            else
            {
                tier.Complete(random.Next(tier.Pending.Count), fails: random.Next(4) == 0);
            }

            if (step == 4999)
            {
                while (tier.Pending.Count > 0)
                {
                    tier.Complete(random.Next(tier.Pending.Count));
                }
            }

            foreach (var answer in sink.Answers)
            {
                var (key, kind) = submitted[answer.Ticket];
                submitted.Remove(answer.Ticket);
                answered++;
                switch (answer.Outcome)
                {
                    case Outcome.Stored:
                        Assert.Equal(++sums[key], answer.Number);
                        break;
                    case Outcome.Hit:
                        Assert.Equal(sums[key].ToString(CultureInfo.InvariantCulture), Encoding.ASCII.GetString(answer.Entry!.Value));
                        break;
                    default:
                        refused++;
                        Assert.Equal(kind == OperationKind.Get ? Outcome.Miss : Outcome.Unavailable, answer.Outcome);
                        break;
                }
            }

            sink.Answers.Clear();
        }

        host.CheckInvariants();
        Assert.Empty(submitted);
        Assert.True(answered > 3000 && refused > 5, $"seed {seed}: {answered} answered, {refused} refused");
    }

    private void Submit(string key, OperationKind kind, string value = "", Condition condition = Condition.None, long number = 0)
    {
        var operation = TestBed.On(key, kind);
        operation.Value = Encoding.UTF8.GetBytes(value);
        operation.Condition = condition;
        operation.Number = number;
        Do(operation);
    }

    private void Do(scoped in Operation operation) => host.Submit(operation, sink, ++ticket);

    private PartitionStatistics Statistics()
    {
        Do(new Operation { Kind = OperationKind.Statistics });
        return sink.Last.Statistics!;
    }

    /// <summary>The answers since the last time, as text.</summary>
    private string[] Answers()
    {
        string[] answers = [.. sink.Answers.Select(answer => $"{answer.Ticket} {answer.Outcome} {Encoding.UTF8.GetString(answer.Entry?.Value ?? [])}".TrimEnd())];
        sink.Answers.Clear();
        return answers;
    }
}
