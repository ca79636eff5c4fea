using System.Buffers.Binary;
using Levee.Memory;
using Xunit;

namespace Levee.Tests.Memory;

/// <summary>Random slots against a dictionary: each keeps its bytes, none overlap, memory comes back.</summary>
public sealed class SlabTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Slots_keep_their_bytes_through_allocation_freeing_and_compaction(int seed)
    {
        var random = new Random(seed);
        using var arena = new PageArena(8 << 20);
        var share = new PageShare(arena, 8 << 20);
        var slab = new Slab(share);
        var slots = new List<uint>();
        var stamps = new Dictionary<int, uint>();
        var next = 0;
        var compactions = 0;
        var refusals = 0;
        for (var step = 0; step < 60_000; step++)
        {
            var grows = step / 15_000 % 2 == 0;
            if (random.Next(10) < (grows ? 7 : 3))
            {
                var slot = slab.TryAllocate(random.Next(step / 30_000 == 0 ? SizeClass.Count : 12));
                if (slot == Slab.None)
                {
                    refusals++;
                    continue;
                }

                Stamp(slab.Record(slot), next);
                stamps.Add(next++, slot);
                slots.Add(slot);
            }
            else if (slots.Count > 0)
            {
                var at = random.Next(slots.Count);
                var slot = slots[at];
                slots[at] = slots[^1];
                slots.RemoveAt(slots.Count - 1);
                AssertStamp(slab.Record(slot));
                stamps.Remove(NumberOf(slab.Record(slot)));
                slab.Free(slot);
            }

            var page = random.Next(20) == 0 ? slab.SparsePage() : 0;
            if (page != 0)
            {
                compactions++;
                slab.Isolate(page);
                var mover = new Mover(slab, stamps);
                slab.Visit(page, ref mover);
                Assert.False(slab.IsUsed(page));
                slots = [.. stamps.Values];
            }

            if (step % 2000 == 0)
            {
                slab.CheckInvariants();
                Assert.All(stamps, pair => Assert.Equal(pair.Key, NumberOf(slab.Record(pair.Value))));
                Assert.All(stamps.Values, slot => AssertStamp(slab.Record(slot)));
            }
        }

        Assert.True(compactions > 5, $"seed {seed}: {compactions} compactions");
        Assert.True(next > 20_000, $"seed {seed}: {next} allocations");
        Assert.True(refusals > 0, $"seed {seed}: never full");
        foreach (var slot in stamps.Values)
        {
            slab.Free(slot);
        }

        slab.CheckInvariants();
        Assert.Equal(0, share.HeldBytes);
        Assert.Equal(0, arena.RentedPages);
    }

    [Fact]
    public void A_slab_is_given_back_in_slices()
    {
        using var arena = new PageArena(4 << 20);
        var share = new PageShare(arena, 4 << 20);
        var slab = new Slab(share);
        while (slab.TryAllocate(10) != Slab.None)
        {
        }

        Assert.Equal(64, arena.RentedPages);
        Assert.True(slab.Release(40));
        Assert.Equal(24, arena.RentedPages);
        Assert.False(slab.Release(40));
        Assert.Equal(0, share.HeldBytes);
    }

    private static int NumberOf(ReadOnlySpan<byte> record) => BinaryPrimitives.ReadInt32LittleEndian(record);

    private static void Stamp(Span<byte> record, int number)
    {
        record.Fill((byte)number);
        BinaryPrimitives.WriteInt32LittleEndian(record, number);
    }

    private static void AssertStamp(ReadOnlySpan<byte> record) => Assert.False(record[4..].ContainsAnyExcept((byte)NumberOf(record)));

    private readonly struct Mover(Slab slab, Dictionary<int, uint> stamps) : ISlotVisitor
    {
        public void Visit(uint slot)
        {
            var record = slab.Record(slot);
            var target = slab.TryAllocate(slab.ClassOf(slot));
            record.CopyTo(slab.Record(target));
            stamps[NumberOf(record)] = target;
            slab.FreeIsolated(slot);
        }
    }
}
