using Levee.Tiers.Segments;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

public sealed class StateContentTests
{
    [Fact]
    public void A_slot_is_read_as_it_was_written_and_not_with_any_bit_flipped()
    {
        var content = new StateContent
        {
            Counter = 7,
            Generation = new Guid(3, 2, 1, 4, 5, 6, 7, 8, 9, 10, 11),
            OpenSequence = 12,
            ReservedMs = 1_700_000_000_000,
            Boot = BootIdentity.At(99),
            IsClean = true,
            IsSynced = true,
            GivenUp = [new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), new Guid(2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)],
            Note = "note ä",
        };
        var slot = new byte[StateContent.SlotBytes];
        content.Write(slot);
        Assert.Equal(StateContent.SlotFinding.Sound, StateContent.Read(slot, out var read));
        Assert.Equal(content.GivenUp, read!.GivenUp);
        Assert.Equal(content, read with { GivenUp = content.GivenUp });
        for (var bit = 0; bit < slot.Length * 8; bit++)
        {
            slot[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Equal(StateContent.SlotFinding.Damaged, StateContent.Read(slot, out var damaged));
            Assert.Null(damaged);
            slot[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        slot.AsSpan(0, StateContent.MagicBytes).Clear();
        Assert.Equal(StateContent.SlotFinding.Unwritten, StateContent.Read(slot, out _));
    }
}
