using Levee.Hosting;
using Xunit;

namespace Levee.Tests.Moves;

public sealed class SuccessionTests
{
    /// <summary>
    /// Every combination of three owners that were opened for different epochs: a copy is believed only where nobody can have opened the
    /// partition later.
    /// </summary>
    [Fact]
    public void A_copy_is_chosen_only_where_nobody_can_have_opened_the_partition_later()
    {
        FreezeAnswer?[] answers = [null, .. Enumerable.Range(0, 4).Select(NotHere), .. Enumerable.Range(1, 3).Select(epoch => Frozen(epoch, true)), .. Enumerable.Range(1, 3).Select(epoch => Frozen(epoch, false))];
        var chosen = 0;
        var refused = 0;
        foreach (var first in answers)
        {
            foreach (var second in answers)
            {
                foreach (var third in answers)
                {
                    FreezeAnswer?[] owners = [first, second, third];
                    var opened = owners.OfType<FreezeAnswer>().Select(owner => owner.OpenedEpoch).Where(epoch => epoch > 0).ToList();
                    if (opened.Distinct().Count() < opened.Count)
                    {
                        continue; // An epoch is one owner's.
                    }

                    var copies = Enumerable.Range(0, 3).Where(i => owners[i] is { Header: not null }).ToList();
                    var believed = copies.Where(copy => Enumerable.Range(0, 3).Where(i => i != copy).All(i => owners[i] is { } other ? other.OpenedEpoch <= owners[copy]!.OpenedEpoch : owners[copy]!.IsCurrent)).ToList();
                    var choice = Succession.Choose(owners);
                    Assert.True(choice is { } one ? believed.Contains(one) : believed.Count == 0, string.Join("; ", owners.AsEnumerable()));
                    chosen += choice is null ? 0 : 1;
                    refused += choice is null && copies.Count > 0 ? 1 : 0;
                }
            }
        }

        Assert.True(chosen > 100 && refused > 100, $"{chosen} {refused}");
    }

    [Theory]
    [InlineData(FreezeOutcome.CannotSay)]
    [InlineData(FreezeOutcome.Refused)]
    public void An_answer_that_decides_nothing_is_not_passed_over(FreezeOutcome outcome) =>
        Assert.Throws<ArgumentException>(() => Succession.Choose([NotHere(0), new FreezeAnswer { Outcome = outcome }]));

    private static FreezeAnswer NotHere(int opened) => new() { Outcome = FreezeOutcome.NotHere, OpenedEpoch = opened };

    private static FreezeAnswer Frozen(int opened, bool isCurrent) => new() { Outcome = FreezeOutcome.Frozen, OpenedEpoch = opened, CopyEpoch = 9, Header = [], IsCurrent = isCurrent };
}
