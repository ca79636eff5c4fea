using Xunit;

namespace Levee.Tests.Partitions;

/// <summary>Random operations of every kind on entries that move between a tiny partition and the tier below: a failure may lose entries, it never resurrects one.</summary>
public sealed class PartitionTiersModelTests
{
    private const int Steps = 600;

    [Fact]
    public void Without_loss_a_cache_with_a_tier_answers_as_one() => RunSeeds(1, 120, loses: false, isThrough: false);

    [Fact]
    public void With_loss_it_gives_the_latest_or_a_miss() => RunSeeds(1000, 120, loses: true, isThrough: false);

    [Fact]
    public void What_goes_through_survives_its_process() => RunSeeds(2000, 80, loses: false, isThrough: true);

    [Fact]
    public void What_goes_through_to_a_tier_that_loses_is_the_latest_or_a_miss() => RunSeeds(3000, 80, loses: true, isThrough: true);

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Over_many_seeds(bool loses, bool isThrough)
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("LEVEE_LONG") == "1", "long: set LEVEE_LONG=1");
        RunSeeds(10_000, 1500, loses, isThrough);
    }

    private static void RunSeeds(int first, int count, bool loses, bool isThrough)
    {
        var reached = new Dictionary<string, int>();
        for (var seed = first; seed < first + count; seed++)
        {
            using var model = new PartitionTiersModel(seed, loses, isThrough);
            try
            {
                model.Run(Steps);
            }
            catch (InvalidOperationException broken)
            {
                Assert.Fail($"Seed {seed}: {broken}");
            }

            foreach (var (what, times) in model.Reached.Concat(model.Tier.Reached))
            {
                reached[what] = reached.GetValueOrDefault(what) + times;
            }
        }

        List<(string What, int AtLeast)> cases =
        [
            ("demote", 2000), ("demote large", 30), ("keep", 300), ("promote", 1000), ("load", 3000), ("found", 1000), ("found nothing", 100), ("invalidate", 500), ("forget", 50), ("cancel", 50),
            ("carry over", 500), ("crash", 5), ("crash with operations under way", 1), ("detached Hit", 10), ("detached Miss", 5), ("slid", 200), ("invalidated", 100), ("previous", 50),
            ("a blind write waits behind a writer", 20), ("waited Get Hit", 500), ("waited Peek Hit", 100), ("waited Set Stored", 100), ("waited Set ConditionFailed", 20),
            ("waited Delete Removed", 100), ("waited Delete ConditionFailed", 10), ("waited Expire Stored", 50), ("waited Expire ConditionFailed", 20), ("waited Append Stored", 50),
            ("waited Increment Stored", 20), ("waited Increment NotANumber", 20), ("scanned below", 500), ("Clear Done", 10), ("prefetch waits", 20), ("prefetch Resident joins", 5), ("prefetch Resident", 50), ("prefetch by hash waits", 10), ("prefetch ended Promoted", 50), ("prefetch ended Dropped", 5),
            ("access PrefetchHit", 20), ("access Late", 5), ("access PollutedMiss", 1), ("raise", 20), ("give up", 20), ("Set Stored", 5000),
        ];
        if (loses)
        {
            cases.AddRange([("drop", 100), ("capacity", 100), ("failure", 50), ("waited Increment Unavailable", 3)]);
        }
        else
        {
            cases.Add(("present throughout a scan", 20));
        }

        if (isThrough)
        {
            cases.Add(("write through", 5000));
        }

        foreach (var (what, atLeast) in cases)
        {
            var times = reached.GetValueOrDefault(what);
            Assert.True(times >= (isThrough && what is "demote" or "demote large" or "invalidate" or "detached Miss" ? 1 : atLeast), $"The generator reached '{what}' {times} times: {string.Join(", ", reached.OrderBy(pair => pair.Key))}");
        }
    }
}
