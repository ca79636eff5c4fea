using Levee.Tiers.Segments;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

public sealed class TierStateTests : IDisposable
{
    private static readonly BootIdentity ThisBoot = BootIdentity.Named(new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
    private static readonly BootIdentity NextBoot = BootIdentity.Named(new Guid(2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));

    private readonly string folder = Directory.CreateTempSubdirectory("levee-state-").FullName;

    private string FilePath => Path.Combine(folder, "state");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Everything_is_there_again_after_the_process_has_died()
    {
        Guid generation;
        Guid first;
        using (var state = TierState.OpenOrCreate(folder, fsync: false, out var finding, ThisBoot))
        {
            Assert.Equal(StateOutcome.New, finding.Outcome);
            Assert.NotEqual(Guid.Empty, state.Generation);
            Assert.Empty(state.GivenUp);
            first = state.Generation;
            state.SetOpenSequence(3);
            state.BeginGeneration();
            Assert.Equal(0, state.OpenSequence);
            state.SetOpenSequence(7);
            state.Reserve(1000);
            state.Reserve(900);
            state.SetNote("run ä");
            generation = state.Generation;
        }

        using var again = TierState.OpenOrCreate(folder, fsync: false, out var found, ThisBoot);
        Assert.Equal(StateOutcome.Continued, found.Outcome);
        Assert.Equal((generation, 7L, 1000L, "run ä", false), (again.Generation, again.OpenSequence, again.ReservedMs, again.Note, again.WasClean));
        Assert.Equal([first], again.GivenUp);
        again.ForgetGivenUp(first);
        Assert.Empty(again.GivenUp);
    }
}
