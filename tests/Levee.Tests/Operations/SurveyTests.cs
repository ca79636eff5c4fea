using Levee.Hosting;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Operations;

/// <summary>A result of many partitions is not to be had without the word who is missing from it.</summary>
public sealed class SurveyTests : IAsyncDisposable
{
    private readonly LockHost host = new(
        new CacheOptions { MemoryBytes = 64L << 20, Partitions = 8, Name = "c" }, new ManualTime(), new FakeTier(), seed: 1, maintains: false);

    private readonly Unanswered missing;

    public SurveyTests() => missing = new Unanswered(new FailingHost(host));

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public void Where_everybody_answered_there_is_a_whole_result()
    {
        Assert.True(missing.Note(0, Outcome.Done));
        Assert.True(missing.IsEmpty);
        Assert.True(new Survey<int>(7, missing).TryTake(out var whole, out var none));
        Assert.Equal((7, (Unanswered?)null), (whole, none));
        Assert.Equal(7, new Survey<int>(7, null).TakePart(out none));
        Assert.Null(none);
    }

    [Fact]
    public void Where_somebody_did_not_there_is_none_or_a_part()
    {
        Assert.False(missing.Note(2, Outcome.Unavailable));
        var survey = new Survey<string>("part", missing);
        Assert.False(survey.TryTake(out var whole, out var who));
        Assert.Null(whole);
        Assert.Same(missing, who);
        Assert.Equal("part", survey.TakePart(out who));
        Assert.Same(missing, who);
    }

    [Fact]
    public void Those_who_did_not_answer_are_named_the_first_four_of_them()
    {
        foreach (var partition in new[] { 8, 6, 5, 3, 2 })
        {
            missing.Note(partition, partition == 3 ? Outcome.BadKey : Outcome.Unavailable);
        }

        Assert.Equal((5, 2, "c"), (missing.Count, missing.First, missing.Cache));
        Assert.Equal(
            "partition 2 of the cache 'c' did not answer (its silo is gone); partition 3 of the cache 'c' answered BadKey; "
            + "partition 5 of the cache 'c' did not answer (its silo is gone); "
            + "partition 6 of the cache 'c' did not answer (its silo is gone); 1 more",
            missing.ToString());
        var tier = new Unanswered(host);
        tier.Note(8, Outcome.Unavailable);
        Assert.Equal("tier 0 of the cache 'c' did not answer", tier.ToString());
    }
}
