using System.Runtime.InteropServices;
using System.Text;

namespace Levee.Tiers.Segments;

/// <summary>
/// What a tier must not forget, in the file "state" of its folder: two slots, written in turn, so that one is always whole. A slot's magic is taken away before it is written and put back after that:
/// a process that dies in between leaves a slot without magic, and the other one counts. A slot with magic and a wrong checksum has been damaged, and nothing is vouched for.
/// <para>The file is locked while the state is open: no second process can own the folder. Safe for threads.</para>
/// </summary>
public sealed class TierState : IDisposable
{
    /// <summary>Longest <see cref="Note"/>, in bytes of UTF-8.</summary>
    public const int MaxNoteBytes = StateContent.MaxNoteBytes;

    /// <summary>As many given-up generations are remembered; the oldest goes first. What it left in a store can still be found by listing.</summary>
    public const int MaxGivenUp = StateContent.MaxGivenUp;

    private const string FileName = "state";
    private const int SlotCount = 2;
    private const int FileBytes = SlotCount * StateContent.SlotBytes;

    private readonly Lock gate = new();
    private readonly bool fsync;
    private readonly MappedFile file;
    private StateContent content;
    private bool isClosed;

    private TierState(MappedFile file, StateContent content, bool fsync)
    {
        this.file = file;
        this.content = content;
        this.fsync = fsync;
    }

    /// <summary>The generation that the tier's log belongs to.</summary>
    public Guid Generation => Read().Generation;

    /// <summary>The number of the open segment; 0: there is none yet.</summary>
    public long OpenSequence => Read().OpenSequence;

    /// <summary>The clock, in Unix milliseconds, that no version passes.</summary>
    public long ReservedMs => Read().ReservedMs;

    /// <summary>Whether the last owner stopped cleanly.</summary>
    public bool WasClean { get; private set; }

    /// <summary>Generations whose objects are to be deleted, the oldest first.</summary>
    public IReadOnlyList<Guid> GivenUp => Read().GivenUp;

    /// <summary>Whether records of the generation may be marked void in maps beside their segments.</summary>
    public bool HasVoids => Read().HasVoids;

    /// <summary>What the tier keeps for itself.</summary>
    public string Note => Read().Note;

    /// <summary>
    /// Opens a tier's state, or creates it. Where nothing can be vouched for a new generation has begun, durably, when this returns; the clock's reservation is carried over from what can be read.
    /// A mark of a clean stop is taken away, durably.
    /// </summary>
    /// <param name="folder">The tier's folder; it exists.</param>
    /// <param name="fsync">Whether every change is flushed to the disk. After another boot without a clean stop, only a generation is vouched for that had it set from its beginning, or since a clean stop.</param>
    /// <param name="finding">What was found.</param>
    /// <param name="boot">This run of the system; null: the real one.</param>
    /// <exception cref="TierException">Another process has it, a later version wrote it, or the folder cannot be used.</exception>
    public static TierState OpenOrCreate(string folder, bool fsync, out StateFinding finding, BootIdentity? boot = null)
    {
        boot ??= BootIdentity.Current(TimeProvider.System);
        var path = Path.Combine(folder, FileName);
        try
        {
            var file = OpenFile(path, out var before);
            try
            {
                finding = Find(file, before, boot, out var found);
                var state = new TierState(file, found ?? new StateContent { Boot = boot }, fsync);
                state.TakeOver(finding.Outcome, boot);
                return state;
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TierException($"The tier's state '{path}' cannot be used: {e.Message} The folder must be writable and belong to one tier of one process.", e);
        }
    }

    /// <summary>Begins a new generation; the old one is given up. Durable when this returns.</summary>
    public void BeginGeneration() => Change(NextGeneration, isDurable: true);

    /// <summary>Says that nothing is left of a generation that was given up.</summary>
    public void ForgetGivenUp(Guid generation) => Change(found => found with { GivenUp = [.. found.GivenUp.Where(id => id != generation)] });

    /// <summary>Says which segment is open.</summary>
    public void SetOpenSequence(long sequence) => Change(found => found with { OpenSequence = sequence });

    /// <summary>Says that records are marked void in maps from here on.</summary>
    public void SetHasVoids() => Change(found => found with { HasVoids = true });

    /// <summary>Promises that no clock above this, in Unix milliseconds, is given out before the next call. It never goes back.</summary>
    public void Reserve(long ms) => Change(found => found with { ReservedMs = Math.Max(found.ReservedMs, ms) });

    /// <summary>Keeps a text for the tier.</summary>
    public void SetNote(string note)
    {
        ArgumentNullException.ThrowIfNull(note);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Encoding.UTF8.GetByteCount(note), MaxNoteBytes, nameof(note));
        Change(found => found with { Note = note });
    }

    /// <summary>Says that the tier has stopped, and that all it logged is on the disk: flush that first. Durable when this returns.</summary>
    public void MarkClean() => Change(found => found with { IsClean = true }, isDurable: true);

    /// <summary>Whether the file still has its name: a folder that was removed takes what it held with it.</summary>
    public bool IsInPlace => File.Exists(file.Path);

    /// <summary>Closes the file. Without <see cref="MarkClean"/> that is as if the process had died. Whoever changes the state afterwards is refused as by a disk that fails.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            isClosed = true;
            file.Dispose();
        }
    }

    /// <summary>The file, whole. One that is not whole never has the name of the state, unless it was damaged.</summary>
    private static MappedFile OpenFile(string path, out StateContent.SlotFinding before)
    {
        before = !File.Exists(path) ? StateContent.SlotFinding.Unwritten
            : new FileInfo(path).Length != FileBytes ? StateContent.SlotFinding.Damaged
            : StateContent.SlotFinding.Sound;
        if (before != StateContent.SlotFinding.Sound)
        {
            MappedFile.Create(path + ".new", FileBytes).Dispose();
            File.Move(path + ".new", path, overwrite: before == StateContent.SlotFinding.Damaged);
        }

        return MappedFile.Open(path, FileShare.None);
    }

    private static StateFinding Find(MappedFile file, StateContent.SlotFinding before, BootIdentity boot, out StateContent? newest)
    {
        newest = null;
        var isDamaged = before == StateContent.SlotFinding.Damaged;
        for (var i = 0; i < SlotCount; i++)
        {
            var finding = StateContent.Read(Slot(file, i), out var found);
            isDamaged |= finding == StateContent.SlotFinding.Damaged;
            newest = found is not null && found.Counter > (newest?.Counter ?? 0) ? found : newest;
            if (finding == StateContent.SlotFinding.LaterVersion)
            {
                throw new IOException($"A later version of Levee wrote it, and this one reads format {StateContent.FormatVersion}; run the later one, or empty the folder.");
            }
        }

        return newest switch
        {
            _ when isDamaged => new(StateOutcome.Unvouched, "The state file is damaged."),
            null when before == StateContent.SlotFinding.Unwritten => new(StateOutcome.New, "There was no state file."),
            null => new(StateOutcome.Unvouched, "The state file is empty."),
            { IsClean: true } => new(StateOutcome.Continued, "The last owner stopped cleanly."),
            { IsSynced: true } => new(StateOutcome.Continued, "The last owner died; all that it logged was flushed to the disk."),
            _ when newest.Boot.IsSameAs(boot) => new(StateOutcome.Continued, "The last owner died; the system has run on since."),
            _ => new(StateOutcome.Unvouched, "The system was started anew without a clean stop, and not all that was logged had been flushed to the disk."),
        };
    }

    private static Span<byte> Slot(MappedFile file, int number) => file.Span.Slice(number * StateContent.SlotBytes, StateContent.SlotBytes);

    private static ref ulong Magic(Span<byte> slot) => ref MemoryMarshal.AsRef<ulong>(slot[..StateContent.MagicBytes]);

    private StateContent NextGeneration(StateContent found) => found with
    {
        Generation = Guid.NewGuid(),
        OpenSequence = 0,
        HasVoids = false,
        IsSynced = fsync,
        GivenUp = found.Generation == Guid.Empty ? found.GivenUp : [.. found.GivenUp.Append(found.Generation).TakeLast(MaxGivenUp)],
    };

    private void TakeOver(StateOutcome outcome, BootIdentity boot)
    {
        WasClean = content.IsClean && outcome == StateOutcome.Continued;
        if (outcome == StateOutcome.Continued)
        {
            var isSynced = content.IsSynced || content.IsClean;
            Change(found => found with { Boot = boot, IsSynced = fsync && isSynced }, isDurable: true);
            return;
        }

        // Where one of two slots is damaged the other one may be old. Were only the damaged one overwritten, and this process died in between, the old one would count: so none does until one is whole again.
        if (IsDamaged(0) || IsDamaged(1))
        {
            Magic(Slot(file, 0)) = 0;
            Magic(Slot(file, 1)) = 0;
            file.Flush();
        }

        Change(found => NextGeneration(found) with { Boot = boot }, isDurable: true);
    }

    private bool IsDamaged(int slot) => StateContent.Read(Slot(file, slot), out _) == StateContent.SlotFinding.Damaged;

    private StateContent Read()
    {
        lock (gate)
        {
            return content;
        }
    }

    private void Change(Func<StateContent, StateContent> change, bool isDurable = false)
    {
        lock (gate)
        {
            if (isClosed)
            {
                throw new IOException($"The tier's state '{file.Path}' is closed.");
            }

            // Whatever is changed after a clean stop takes its mark away, and that must not be lost.
            Write(change(content with { IsClean = false }), isDurable || fsync || content.IsClean);
        }
    }

    private void Write(StateContent changed, bool isDurable)
    {
        changed = changed with { Counter = content.Counter + 1 };
        Span<byte> bytes = stackalloc byte[StateContent.SlotBytes];
        changed.Write(bytes);
        var slot = Slot(file, (int)(changed.Counter % SlotCount));
        ref var magic = ref Magic(slot);
        Volatile.Write(ref magic, 0);
        Interlocked.MemoryBarrier();
        bytes[StateContent.MagicBytes..].CopyTo(slot[StateContent.MagicBytes..]);
        Volatile.Write(ref magic, MemoryMarshal.Read<ulong>(bytes));
        content = changed;
        if (isDurable)
        {
            file.Flush();
        }
    }
}
