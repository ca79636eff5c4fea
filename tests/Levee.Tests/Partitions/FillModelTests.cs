using Xunit;

namespace Levee.Tests.Partitions;

/// <summary>Loads in flight by all ways, and random operations meanwhile: no fill stores what a removal, tag removal, clear or write has
/// voided since its load began.</summary>
public sealed class FillModelTests
{
    private const int Steps = 1500;

    private static readonly string[] Voidings = ["removal", "tag removal", "clear", "write"];

    [Fact]
    public void Above_a_tier_nothing_void_is_stored() =>
        RunSeeds(1, 40, moves: false, ["GetOrCreate", "OriginPrefetch", "TierGet", "TierPrefetch", "TierPrefetchByHash"],
            [("TierGet, expiry", 10), ("TierPrefetch, expiry", 5)]);

    [Fact]
    public void While_it_moves_nothing_void_is_stored() =>
        RunSeeds(1000, 40, moves: true, ["GetOrCreate", "OriginPrefetch", "MoveByChunk", "MoveByKey"],
            [("move", 50), ("import Stored", 200), ("import Void", 100)]);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Over_many_seeds(bool moves)
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("LEVEE_LONG") == "1", "long: set LEVEE_LONG=1");
        RunSeeds(10_000, 1000, moves, [], []);
    }

    private static void RunSeeds(int first, int count, bool moves, string[] ways, (string What, int AtLeast)[] others)
    {
        var reached = new Dictionary<string, int>();
        for (var seed = first; seed < first + count; seed++)
        {
            using var model = new FillModel(seed, moves);
            try
            {
                model.Run(Steps);
            }
            catch (InvalidOperationException broken)
            {
                Assert.Fail($"Seed {seed}: {broken}");
            }

            foreach (var (what, times) in model.Reached)
            {
                reached[what] = reached.GetValueOrDefault(what) + times;
            }
        }

        (string What, int AtLeast)[] cases =
        [
            .. ways.SelectMany(way => Voidings.Select(how => ($"{way}, {how}", 5))),
            .. ways.Select(way => ($"{way}, nothing", 200)),
            .. others,
            ("Hit", 2000), ("Stored", 1000), ("refused", 1000), ("shared lease", 100), ("too old", 5), ("GetOrCreate, fill", 50),
            ("GetOrCreate, expiry", 20), ("OriginPrefetch, expiry", 20), ("written over and evicted meanwhile", 20),
        ];
        var all = string.Join(", ", reached.OrderBy(pair => pair.Key));
        Assert.All(ways.Length == 0 ? [] : cases, wanted => Assert.True(
            reached.GetValueOrDefault(wanted.What) >= wanted.AtLeast,
            $"The generator reached '{wanted.What}' {reached.GetValueOrDefault(wanted.What)} times: {all}"));
    }
}
