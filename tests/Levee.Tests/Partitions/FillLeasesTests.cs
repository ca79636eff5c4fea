using System.Text;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Partitions;

/// <summary>What a load from outside brings is stored only where nothing has voided its key since the load began.</summary>
public sealed class FillLeasesTests : IDisposable
{
    private readonly TestBed bed = new();

    public void Dispose() => bed.Dispose();

    [Fact]
    public void A_fill_is_stored_where_nothing_happened_and_its_lease_ends()
    {
        bed.Set("other", "1"u8);
        var lease = Lease("k");
        bed.Set("other", "2"u8);
        bed.Delete("other");
        RemoveByTag("another");
        Assert.Equal(Outcome.Stored, Fill("k", lease, "t").Outcome);
        Assert.Equal("loaded"u8.ToArray(), bed.Get("k").Entry!.Value);
        var second = Fill("k", lease);
        Assert.Equal((Outcome.ConditionFailed, "loaded"), (second.Outcome, Encoding.UTF8.GetString(second.Entry!.Value)));
    }

    [Theory]
    [InlineData("set")]
    [InlineData("append")]
    [InlineData("increment")]
    [InlineData("delete")]
    [InlineData("delete of nothing")]
    [InlineData("expire")]
    [InlineData("expire at once")]
    [InlineData("tag")]
    [InlineData("clear")]
    [InlineData("another fill")]
    [InlineData("set and evict")]
    [InlineData("set and delete")]
    public void Whatever_voids_the_key_since_the_lease_refuses_the_fill(string how)
    {
        if (how is not ("delete of nothing" or "append" or "increment"))
        {
            bed.Set("k", "1"u8);
        }

        var lease = Lease("k");
        switch (how)
        {
            case "append" or "increment" or "expire" or "expire at once":
                var kind = how is "append" ? OperationKind.Append : how is "increment" ? OperationKind.Increment : OperationKind.Expire;
                var operation = TestBed.On("k", kind);
                operation.Value = how == "append" ? "1"u8 : default;
                operation.ExpiresAt = how switch { "expire" => bed.Now + 1000, "expire at once" => bed.Now, _ => 0 };
                Assert.Equal(Outcome.Stored, bed.Do(operation).Outcome);
                break;
            case "tag":
                RemoveByTag("t");
                break;
            case "clear":
                bed.Do(new Operation { Kind = OperationKind.Clear });
                break;
            case "another fill":
                Assert.Equal(lease, Lease("k"));
                Assert.Equal(Outcome.Stored, Fill("k", lease, "t").Outcome);
                break;
            default:
                if (how.StartsWith("set", StringComparison.Ordinal))
                {
                    bed.Set("k", "2"u8);
                }

                if (how == "set and evict")
                {
                    bed.Partition.TakeDown(int.MaxValue, bed.Now);
                    Assert.Equal(Outcome.Miss, bed.Get("k").Outcome);
                }
                else if (how != "set")
                {
                    bed.Delete("k");
                }

                break;
        }

        Assert.Equal(Outcome.ConditionFailed, Fill("k", lease, "t").Outcome);
        var next = Lease("k");
        Assert.True(next > lease);
        Assert.Equal(Outcome.Stored, Fill("k", next, "t").Outcome);
    }

    [Fact]
    public void A_tag_removal_before_the_load_does_not_count_one_after_it_is_remembered_as_long_as_the_load_may_take()
    {
        RemoveByTag("t");
        var early = Lease("early");
        var lease = Lease("k");
        Assert.Equal(Outcome.Stored, Fill("early", early, "t").Outcome);
        bed.Now += 10;
        RemoveByTag("t");
        bed.Now += FillLeases.LongestMs - 11;
        bed.MaintainAll();
        Assert.Single(bed.Partition.Header(1).Tags);
        Assert.Equal(Outcome.ConditionFailed, Fill("k", lease, "t").Outcome);

        lease = Lease("k");
        RemoveByTag("t");
        bed.Now += FillLeases.LongestMs;
        bed.MaintainAll();
        Assert.Empty(bed.Partition.Header(1).Tags);
        Assert.Equal(Outcome.ConditionFailed, Fill("k", lease).Outcome);
    }

    [Fact]
    public void No_more_than_so_many_leases_are_remembered_and_what_was_forgotten_is_refused()
    {
        var leases = Enumerable.Range(0, FillLeases.MaxCount + 1).Select(i => Lease($"k{i}")).ToArray();
        bed.Partition.CheckInvariants();
        Assert.Equal(Outcome.ConditionFailed, Fill("k0", leases[0]).Outcome);
        Assert.All(Enumerable.Range(1, FillLeases.MaxCount), i => Assert.Equal(Outcome.Stored, Fill($"k{i}", leases[i]).Outcome));
    }

    [Fact]
    public void A_lease_is_of_one_key_and_of_one_owner()
    {
        var lease = Lease("k");
        Assert.Equal(Outcome.ConditionFailed, Fill("other", lease).Outcome);
        Assert.Equal(Outcome.ConditionFailed, Fill("k", lease + 1).Outcome);
        using var arena = new PageArena(2 << 20);
        var next = new Partition(new PageShare(arena, 1 << 20), new PartitionOptions { Seed = 2, Arriving = bed.Partition.Header(2) });
        var sink = new CopyingSink();
        var operation = TestBed.On("k", OperationKind.Set);
        operation.Lease = lease;
        next.EndArrival(ArrivalEnd.Complete);
        next.Execute(TestBed.On("k", OperationKind.Lease), bed.Now, sink, 1);
        Assert.True((ulong)sink.Last.Number > lease);
        next.Execute(operation, bed.Now, sink, 2);
        Assert.Equal(Outcome.ConditionFailed, sink.Last.Outcome);
        Assert.Equal(Outcome.Stored, Fill("k", lease).Outcome);
    }

    [Fact]
    public void A_fill_over_a_present_entry_is_stored_unless_it_may_not_be()
    {
        bed.Set("k", "1"u8);
        var operation = TestBed.On("k", OperationKind.Set);
        operation.Lease = Lease("k");
        operation.Condition = Condition.IfAbsent;
        Assert.Equal(Outcome.ConditionFailed, bed.Do(operation).Outcome);
        Assert.Equal(Outcome.Stored, Fill("k", Lease("k")).Outcome);
        Assert.Equal(Outcome.BadKey, bed.Do(TestBed.On(new string('k', Limits.MaxKeyBytes + 1), OperationKind.Lease)).Outcome);
    }

    private ulong Lease(string key)
    {
        var answer = bed.Do(TestBed.On(key, OperationKind.Lease));
        Assert.Equal(Outcome.Done, answer.Outcome);
        return (ulong)answer.Number;
    }

    private CopiedAnswer Fill(string key, ulong lease, params ReadOnlySpan<string> tags)
    {
        var operation = TestBed.On(key, OperationKind.Set);
        operation.Value = "loaded"u8;
        operation.Lease = lease;
        operation.Tags = TestBed.Pack(tags);
        return bed.Do(operation);
    }

    private void RemoveByTag(string tag) => bed.Do(TestBed.On(tag, OperationKind.RemoveByTag));
}
