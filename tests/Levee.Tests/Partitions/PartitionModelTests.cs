using Xunit;

namespace Levee.Tests.Partitions;

/// <summary>Random operations of every kind against a dictionary: a cache may forget, but never lies.</summary>
public sealed class PartitionModelTests
{
    [Theory]
    [InlineData(1, "arc")]
    [InlineData(2, "arc")]
    [InlineData(3, "lru")]
    [InlineData(4, "s3-fifo")]
    [InlineData(5, "w-tinylfu")]
    [InlineData(6, "lirs")]
    [InlineData(7, "gdsf")]
    public void What_a_partition_shows_is_what_was_written(int seed, string policy)
    {
        using var model = new PartitionModel(seed, policy);
        model.Run(40_000);
        (string What, int AtLeast)[] cases =
        [
            ("Get Hit", 2000), ("Get Miss", 1000), ("Peek Hit", 200), ("slid", 100), ("previous", 100), ("kept TTL", 100), ("invalidated", 100), ("clear", 1),
            ("Set None Stored", 5000), ("Set IfAbsent Stored", 100), ("Set IfAbsent ConditionFailed", 100), ("Set IfPresent Stored", 100),
            ("Set IfPresent ConditionFailed", 100), ("Set IfVersion Stored", 50), ("Set IfVersion ConditionFailed", 100),
            ("Delete Removed", 100), ("Delete Miss", 100), ("Delete ConditionFailed", 20),
            ("Expire None Stored", 50), ("Expire IfNone Stored", 10), ("Expire IfNone ConditionFailed", 10), ("Expire IfSome Stored", 10),
            ("Expire IfSome ConditionFailed", 10), ("Expire IfLater Stored", 5), ("Expire IfLater ConditionFailed", 10), ("Expire IfEarlier Stored", 10),
            ("Expire IfEarlier ConditionFailed", 10), ("Append Stored", 300), ("Append TooLarge", policy == "gdsf" ? 1 : 2), ("Append WrongKind", 10),
            ("Increment Stored", 100), ("Increment NotANumber", 50), ("Increment WrongKind", 10), ("Increment Overflow", 1),
            ("IncrementFloat Stored", 100), ("IncrementFloat NotANumber", 50), ("scan", 20), ("present throughout a scan", 1000),
        ];
        foreach (var (what, atLeast) in cases)
        {
            Assert.True(model.Reached.GetValueOrDefault(what) >= atLeast, $"The generator reached '{what}' {model.Reached.GetValueOrDefault(what)} times");
        }

        var statistics = model.Statistics;
        // GDSF makes room with few heavy entries.
        Assert.True(statistics.Evictions > (policy == "gdsf" ? 300 : 500), $"only {statistics.Evictions} evictions");
        Assert.True(statistics.Expirations > 100, $"only {statistics.Expirations} expirations");
        Assert.True(statistics.Invalidations > 50, $"only {statistics.Invalidations} invalidations");
    }

    [Fact]
    public void What_a_partition_shows_is_what_was_written_over_many_seeds()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("LEVEE_LONG") == "1", "long: set LEVEE_LONG=1");
        for (var seed = 100; seed < 160; seed++)
        {
            using var model = new PartitionModel(seed, (seed % 8) switch { 0 => "lru", 2 => "s3-fifo", 4 => "w-tinylfu", 5 => "lirs", 6 => "gdsf", _ => "arc" });
            model.Run(60_000);
        }
    }
}
