using Levee.Hosting;
using Xunit;

namespace Levee.Tests.Moves;

public sealed class FreezeRuleTests
{
    private const int MaxEpoch = 5;

    /// <summary>Every state of a slot with every request: compared with the rule as the decision record says it, line by line.</summary>
    [Fact]
    public void Every_pair_of_slot_and_request_has_its_answer()
    {
        var reached = new Dictionary<FreezeStep, int>();
        foreach (var slot in Slots())
        {
            for (var epoch = 1L; epoch <= MaxEpoch; epoch++)
            {
                var step = FreezeRule.Of(slot, epoch);
                Assert.True(Literal(slot, epoch) == step, $"{slot} asked for epoch {epoch}: {step}");
                reached[step] = reached.GetValueOrDefault(step) + 1;
            }
        }

        Assert.Equal(Enum.GetValues<FreezeStep>().Order(), reached.Keys.Order());
    }

    [Fact]
    public void What_serves_is_never_said_to_be_absent_and_an_older_claim_changes_nothing()
    {
        foreach (var slot in Slots())
        {
            for (var epoch = 1L; epoch <= MaxEpoch; epoch++)
            {
                var step = FreezeRule.Of(slot, epoch);
                Assert.Equal(epoch < slot.KnownEpoch || (slot.Phase == SlotPhase.Serving && epoch == slot.OpenedEpoch), step == FreezeStep.Refuse);
                if (step == FreezeStep.Deny)
                {
                    Assert.Equal(SlotPhase.Empty, slot.Phase);
                }

                if (slot.Phase == SlotPhase.Serving && epoch > slot.KnownEpoch)
                {
                    Assert.Equal(FreezeStep.Freeze, step);
                }
            }
        }
    }

    /// <summary>
    /// All slots that can be: what was opened and what it is frozen for is known, and a freeze is for a later epoch than the contents.
    /// </summary>
    private static IEnumerable<SlotView> Slots() =>
        from phase in Enum.GetValues<SlotPhase>()
        from opened in Enumerable.Range(0, MaxEpoch)
        from frozen in Enumerable.Range(0, MaxEpoch + 1)
        from known in Enumerable.Range(0, MaxEpoch + 1)
        where known >= Math.Max(opened, frozen)
        where phase is SlotPhase.Freezing or SlotPhase.Frozen ? frozen > opened : frozen == 0
        where phase is SlotPhase.Empty || opened > 0
        select new SlotView(phase, opened, frozen, known);

    private static FreezeStep Literal(in SlotView slot, long epoch)
    {
        var isOlder = epoch < slot.KnownEpoch;
        var isSame = epoch == slot.FreezeEpoch;
        return (slot.Phase, isOlder, isSame) switch
        {
            (_, true, _) => FreezeStep.Refuse,
            (SlotPhase.Empty, _, _) => FreezeStep.Deny,
            (SlotPhase.Serving, _, _) when epoch == slot.OpenedEpoch => FreezeStep.Refuse,
            (SlotPhase.Serving, _, _) => FreezeStep.Freeze,
            (SlotPhase.Freezing, _, true) => FreezeStep.Join,
            (SlotPhase.Freezing, _, false) => FreezeStep.Defer,
            (SlotPhase.Stopped, _, _) => FreezeStep.Freeze,
            (SlotPhase.Frozen, _, _) => FreezeStep.Give,
            _ => throw new ArgumentOutOfRangeException(nameof(slot)),
        };
    }
}
