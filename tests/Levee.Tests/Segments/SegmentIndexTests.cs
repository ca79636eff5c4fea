using Levee.Segments;
using Xunit;

namespace Levee.Tests.Segments;

public sealed class SegmentIndexTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_operations_do_as_a_dictionary_does(int seed)
    {
        using var model = new SegmentIndexModel(seed);
        for (var step = 0; step < 400_000; step++)
        {
            model.Step(growing: step / 50_000 % 2 == 0);
            if (step % 25_000 == 0)
            {
                model.CheckAll();
            }
        }

        model.CheckAll();
        output.WriteLine($"Seed {seed}: {model}");
        Assert.True(
            model is { Added: > 40_000, Replaced: > 5_000, Found: > 10_000, Missed: > 20_000, Removed: > 20_000, RemovedNothing: > 1_000, Updated: > 5_000, NotUpdated: > 5_000 },
            model.ToString());
        Assert.True(model is { VisitedKept: > 5_000, VisitedRemoved: > 5_000, VisitedUpdated: > 5_000, Grown: > 1_000, Shrunk: > 1_000, Cleared: > 0 }, model.ToString());
    }
}
