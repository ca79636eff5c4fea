using System.Buffers.Binary;
using Levee.Segments;
using Levee.Tiers.Segments;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

public sealed class TierStateTests : IDisposable
{
    private const int SlotBytes = 4096;

    private static readonly BootIdentity ThisBoot = BootIdentity.Named(new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
    private static readonly BootIdentity NextBoot = BootIdentity.Named(new Guid(2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));

    private readonly string folder = Directory.CreateTempSubdirectory("levee-state-").FullName;

    private string FilePath => Path.Combine(folder, "state");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Everything_is_there_again_after_the_process_has_died(bool fsync)
    {
        Guid generation;
        Guid first;
        using (var state = TierState.OpenOrCreate(folder, fsync, out var finding, ThisBoot))
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

        using var again = Open(ThisBoot, StateOutcome.Continued, fsync);
        Assert.Equal((generation, 7L, 1000L, "run ä", false), (again.Generation, again.OpenSequence, again.ReservedMs, again.Note, again.WasClean));
        Assert.Equal([first], again.GivenUp);
        again.ForgetGivenUp(first);
        Assert.Empty(again.GivenUp);
    }

    [Fact]
    public void After_another_boot_a_generation_goes_on_only_if_it_stopped_cleanly_or_was_always_flushed()
    {
        var generation = Begin(fsync: false, clean: false);
        AssertGivenUp(generation, NextBoot);
        File.Delete(FilePath);

        generation = Begin(fsync: false, clean: true);
        AssertContinued(generation, NextBoot, fsync: false, wasClean: true);
        AssertGivenUp(generation, ThisBoot);
        File.Delete(FilePath);

        generation = Begin(fsync: true, clean: false);
        AssertContinued(generation, NextBoot, fsync: true, wasClean: false);
        AssertContinued(generation, ThisBoot, fsync: false, wasClean: false);
        AssertContinued(generation, ThisBoot, fsync: true, wasClean: false);
        AssertGivenUp(generation, NextBoot);
        File.Delete(FilePath);

        generation = Begin(fsync: false, clean: true);
        AssertContinued(generation, ThisBoot, fsync: true, wasClean: true);
        AssertContinued(generation, NextBoot, fsync: true, wasClean: false);
    }

    [Fact]
    public void What_is_changed_after_a_clean_stop_takes_its_mark_away()
    {
        using (var state = Open(ThisBoot, StateOutcome.New))
        {
            state.MarkClean();
            state.Reserve(5);
        }

        Open(NextBoot, StateOutcome.Unvouched).Dispose();
    }

    [Fact]
    public void A_new_generation_that_was_begun_for_want_of_a_vouched_one_goes_on_in_the_same_boot()
    {
        var old = Begin(fsync: false, clean: false);
        Guid generation;
        using (var state = Open(NextBoot, StateOutcome.Unvouched))
        {
            generation = state.Generation;
            Assert.NotEqual(old, generation);
            Assert.Equal([old], state.GivenUp);
            Assert.Equal((0L, 77L, "note"), (state.OpenSequence, state.ReservedMs, state.Note));
        }

        AssertContinued(generation, NextBoot, fsync: false, wasClean: false);
    }

    [Fact]
    public void With_a_bit_of_the_newer_slot_flipped_a_new_generation_begins_and_goes_on()
    {
        var generation = Begin(fsync: false, clean: false);
        var whole = File.ReadAllBytes(FilePath);
        var newer = Counter(whole, 0) > Counter(whole, 1) ? 0 : SlotBytes;
        for (var bit = 0; bit < SlotBytes * 8; bit += bit < 100 * 8 ? 11 : 1021)
        {
            var damaged = (byte[])whole.Clone();
            damaged[newer + (bit / 8)] ^= (byte)(1 << (bit % 8));
            File.WriteAllBytes(FilePath, damaged);
            Guid next;
            using (var state = Open(ThisBoot, StateOutcome.Unvouched))
            {
                next = state.Generation;
                Assert.NotEqual(generation, next);
            }

            AssertContinued(next, ThisBoot, fsync: false, wasClean: false);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_process_that_dies_at_any_byte_of_a_change_leaves_what_was_before_it(int seed)
    {
        var random = new Random(seed);
        using (var state = Open(ThisBoot, StateOutcome.New))
        {
            state.SetOpenSequence(5);
        }

        var before = File.ReadAllBytes(FilePath);
        Guid generation;
        using (var state = TierState.OpenOrCreate(folder, fsync: false, out _, ThisBoot))
        {
            generation = state.Generation;
        }

        var after = File.ReadAllBytes(FilePath);
        var written = Enumerable.Range(0, 2 * SlotBytes).First(i => before[i] != after[i]) / SlotBytes * SlotBytes;
        for (var i = 0; i < 100; i++)
        {
            var torn = (byte[])before.Clone();
            torn.AsSpan(written, 8).Clear();
            after.AsSpan(written + 8, random.Next(SlotBytes - 8)).CopyTo(torn.AsSpan(written + 8));
            File.WriteAllBytes(FilePath, torn);
            using var state = Open(ThisBoot, StateOutcome.Continued);
            Assert.Equal((generation, 5L), (state.Generation, state.OpenSequence));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(10_000)]
    public void A_file_of_another_length_is_taken_for_damaged(int length)
    {
        File.WriteAllBytes(FilePath, new byte[length]);
        Guid generation;
        using (var state = Open(ThisBoot, StateOutcome.Unvouched))
        {
            generation = state.Generation;
            Assert.NotEqual(Guid.Empty, generation);
            Assert.Empty(state.GivenUp);
        }

        AssertContinued(generation, ThisBoot, fsync: false, wasClean: false);
    }

    [Fact]
    public void A_file_of_zeros_is_not_vouched_for()
    {
        File.WriteAllBytes(FilePath, new byte[2 * SlotBytes]);
        Open(ThisBoot, StateOutcome.Unvouched).Dispose();
    }

    [Fact]
    public void A_state_of_a_later_version_is_left_alone()
    {
        Begin(fsync: false, clean: false);
        var bytes = File.ReadAllBytes(FilePath);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), 3);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), TierRecord.Crc32C([.. bytes.AsSpan(0, 12), .. bytes.AsSpan(16, SlotBytes - 16)]));
        File.WriteAllBytes(FilePath, bytes);
        var refusal = Assert.Throws<TierException>(() => TierState.OpenOrCreate(folder, fsync: false, out _, ThisBoot));
        Assert.Contains("later version", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(bytes, File.ReadAllBytes(FilePath));
    }

    /// <summary>An earlier version of Levee would not look at the maps, and so must not go on with a state that needs them.</summary>
    [Fact]
    public void That_records_are_marked_void_beside_their_segments_makes_a_later_version_of_the_state()
    {
        using (var state = Open(ThisBoot, StateOutcome.New))
        {
            state.SetOpenSequence(7);
        }

        Assert.Equal(1, Version());
        using (var state = Open(ThisBoot, StateOutcome.Continued))
        {
            state.SetHasVoids();
            state.SetOpenSequence(8);
        }

        Assert.Equal(2, Version());
        using (var state = Open(ThisBoot, StateOutcome.Continued))
        {
            Assert.True(state.HasVoids);
            state.BeginGeneration();
            Assert.False(state.HasVoids);
        }

        Assert.Equal(1, Version());

        int Version()
        {
            var bytes = File.ReadAllBytes(FilePath);
            var newer = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(16)) > BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(SlotBytes + 16)) ? 0 : SlotBytes;
            return BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(newer + 8));
        }
    }

    /// <summary>Whoever is late is told so as by a disk that fails, and does not reach memory that is gone.</summary>
    [Fact]
    public void A_state_that_is_closed_takes_no_change()
    {
        var state = Open(ThisBoot, StateOutcome.New);
        state.Dispose();
        Assert.Throws<IOException>(() => state.Reserve(5));
        state.Dispose();
    }

    [Fact]
    public void A_folder_belongs_to_one_at_a_time()
    {
        using var state = Open(ThisBoot, StateOutcome.New);
        Assert.Throws<TierException>(() => TierState.OpenOrCreate(folder, fsync: false, out _, ThisBoot));
        Assert.Throws<TierException>(() => TierState.OpenOrCreate(Path.Combine(folder, "missing"), fsync: false, out _, ThisBoot));
    }

    [Fact]
    public void Of_too_many_generations_that_were_given_up_the_oldest_is_forgotten()
    {
        var generations = new List<Guid>();
        using (var state = Open(ThisBoot, StateOutcome.New))
        {
            for (var i = 0; i < TierState.MaxGivenUp + 3; i++)
            {
                generations.Add(state.Generation);
                state.BeginGeneration();
            }
        }

        using var again = Open(ThisBoot, StateOutcome.Continued);
        Assert.Equal(generations.TakeLast(TierState.MaxGivenUp), again.GivenUp);
        Assert.Equal(generations.Count + 1, generations.Append(again.Generation).Distinct().Count());
    }

    [Fact]
    public void A_note_has_its_bounds()
    {
        using (var state = Open(ThisBoot, StateOutcome.New))
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => state.SetNote(new string('ä', 129)));
            state.SetNote(new string('ä', 128));
        }

        using var again = Open(ThisBoot, StateOutcome.Continued);
        Assert.Equal(new string('ä', 128), again.Note);
    }

    private TierState Open(BootIdentity boot, StateOutcome outcome, bool fsync = false)
    {
        var state = TierState.OpenOrCreate(folder, fsync, out var finding, boot);
        Assert.Equal(outcome, finding.Outcome);
        Assert.NotEmpty(finding.Reason);
        return state;
    }

    private Guid Begin(bool fsync, bool clean)
    {
        using var state = Open(ThisBoot, StateOutcome.New, fsync);
        state.SetOpenSequence(4);
        state.Reserve(77);
        state.SetNote("note");
        if (clean)
        {
            state.MarkClean();
        }

        return state.Generation;
    }

    private void AssertContinued(Guid generation, BootIdentity boot, bool fsync, bool wasClean)
    {
        using var state = Open(boot, StateOutcome.Continued, fsync);
        Assert.Equal((generation, wasClean), (state.Generation, state.WasClean));
    }

    private void AssertGivenUp(Guid generation, BootIdentity boot)
    {
        using var state = Open(boot, StateOutcome.Unvouched);
        Assert.NotEqual(generation, state.Generation);
        Assert.Contains(generation, state.GivenUp);
        Assert.False(state.WasClean);
    }

    private static ulong Counter(byte[] file, int slot) => BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan((slot * SlotBytes) + 16));
}
