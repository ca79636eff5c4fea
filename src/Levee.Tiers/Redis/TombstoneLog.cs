using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Numerics;
using Levee.Tiers.Segments;

namespace Levee.Tiers.Redis;

/// <summary>
/// The tombstones whose UNLINK is not answered yet: numbered in the order in which they were logged, in mapped files, so that they survive the process. Owned by the tier's lock.
/// <code>
/// slot: hash 8 | version 8 | seal 8     the seal is written last and depends on the generation; 0 or another one: the slot is empty
/// </code>
/// Tombstones are answered in their order. A file all of whose slots are empty is used again; when too many are in use, or the disk has no room for another, the log is full and its
/// owner gives the generation up, which voids everything that the tombstones could have voided.
/// </summary>
internal sealed class TombstoneLog : IDisposable
{
    private const int SlotBytes = 24;
    private const string Stem = "tombstones-";

    private readonly string folder;
    private readonly int slotsPerFile;
    private readonly int maxFiles;
    private readonly int shift;
    private readonly List<MappedFile> files = [];
    private readonly Stack<MappedFile> spares = new();
    private long firstFile;
    private long nextName;
    private ulong secret;

    /// <param name="folder">Where the files lie.</param>
    /// <param name="slotsPerFile">A power of two.</param>
    /// <param name="maxFiles">How many files may be in use.</param>
    public TombstoneLog(string folder, int slotsPerFile = 64 * 1024, int maxFiles = 16)
    {
        this.folder = folder;
        this.slotsPerFile = slotsPerFile;
        this.maxFiles = maxFiles;
        shift = BitOperations.Log2((uint)slotsPerFile);
    }

    /// <summary>The number that the next tombstone gets; the first is 1.</summary>
    public long Next { get; private set; } = 1;

    /// <summary>The number up to which UNLINKs have been answered.</summary>
    public long Answered { get; private set; }

    /// <summary>How many wait for their answer.</summary>
    public long Unanswered => Next - 1 - Answered;

    /// <summary>Whether there is room for the tombstones of what is written now.</summary>
    public bool HasReserve => spares.Count > 0 || ((firstFile + files.Count) << shift) - Next >= slotsPerFile / 2;

    /// <summary>How many may wait.</summary>
    public long Capacity => (long)slotsPerFile * (maxFiles - 1);

    /// <summary>
    /// Begins with what an earlier process has logged for the same generation: its tombstones get new numbers. Files of other generations, or without a tombstone, go.
    /// </summary>
    /// <returns>False where they are more than the log takes.</returns>
    public bool TryOpen(Guid generation, Action<ulong, ulong, long> found)
    {
        secret = SecretOf(generation);
        var old = Directory.GetFiles(folder, Stem + "*.log");
        foreach (var path in old)
        {
            if (long.TryParse(Path.GetFileNameWithoutExtension(path.AsSpan())[Stem.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out var name))
            {
                nextName = Math.Max(nextName, name + 1);
            }
        }

        // On a full disk what holds nothing makes room for what does.
        old = Array.FindAll(old, path => !TryDeleteEmpty(path));
        foreach (var path in old)
        {
            if (!TryTakeOver(path, found))
            {
                return false;
            }
        }

        // Only now: until all tombstones stand in new files the old ones count.
        foreach (var path in old)
        {
            File.Delete(path);
        }

        return true;
    }

    /// <summary>Logs a tombstone. It survives the process when this returns.</summary>
    /// <returns>False where the log is full.</returns>
    public bool TryAppend(ulong hash, ulong version, out long number)
    {
        number = Next;
        var file = (int)((number >> shift) - firstFile);
        if (file >= files.Count && !TryAddFile())
        {
            return false;
        }

        var slot = Slot(number);
        BinaryPrimitives.WriteUInt64LittleEndian(slot, hash);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[8..], version);
        Thread.MemoryBarrier();
        BinaryPrimitives.WriteUInt64LittleEndian(slot[16..], Seal(hash, version));
        Next = number + 1;
        return true;
    }

    /// <summary>The hash of an unanswered tombstone.</summary>
    public ulong HashOf(long number) => BinaryPrimitives.ReadUInt64LittleEndian(Slot(number));

    /// <summary>Says that the UNLINK of the next tombstone has been answered.</summary>
    public void Release(long number)
    {
        Debug.Assert(number == Answered + 1 && number < Next, "Tombstones are answered in their order.");
        BinaryPrimitives.WriteUInt64LittleEndian(Slot(number)[16..], 0);
        Answered = number;
        if (((number + 1) & (slotsPerFile - 1)) == 0)
        {
            spares.Push(files[0]);
            files.RemoveAt(0);
            firstFile++;
        }
    }

    /// <summary>Begins anew for another generation: what was logged before does not count any more.</summary>
    public void Restart(Guid generation)
    {
        secret = SecretOf(generation);
        foreach (var file in files)
        {
            file.Span.Clear();
            spares.Push(file);
        }

        files.Clear();
        Answered = Next - 1;
        firstFile = Next >> shift;
    }

    /// <summary>The files that are in use.</summary>
    public IReadOnlyList<MappedFile> Files => files;

    /// <summary>Brings the files that are in use to the disk.</summary>
    public void Flush()
    {
        foreach (var file in files)
        {
            file.Flush();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var file in files.Concat(spares))
        {
            file.Dispose();
        }

        files.Clear();
        spares.Clear();
    }

    /// <summary>Creates the file that is needed next before it is needed: what finds the disk full is then no tombstone. Where it cannot be created it is tried again.</summary>
    public void KeepSpare()
    {
        if (spares.Count == 0 && files.Count < maxFiles && TryCreate() is { } spare)
        {
            spares.Push(spare);
        }
    }

    private bool TryDeleteEmpty(string path)
    {
        using (var file = MappedFile.Open(path))
        {
            for (var slot = file.Span; slot.Length >= SlotBytes; slot = slot[SlotBytes..])
            {
                var seal = BinaryPrimitives.ReadUInt64LittleEndian(slot[16..]);
                if (seal != 0 && seal == Seal(BinaryPrimitives.ReadUInt64LittleEndian(slot), BinaryPrimitives.ReadUInt64LittleEndian(slot[8..])))
                {
                    return false;
                }
            }
        }

        File.Delete(path);
        return true;
    }

    private bool TryTakeOver(string path, Action<ulong, ulong, long> found)
    {
        using var file = MappedFile.Open(path);
        for (var slot = file.Span; slot.Length >= SlotBytes; slot = slot[SlotBytes..])
        {
            var hash = BinaryPrimitives.ReadUInt64LittleEndian(slot);
            var version = BinaryPrimitives.ReadUInt64LittleEndian(slot[8..]);
            var seal = BinaryPrimitives.ReadUInt64LittleEndian(slot[16..]);
            if (seal == 0 || seal != Seal(hash, version))
            {
                continue;
            }

            if (!TryAppend(hash, version, out var number))
            {
                return false;
            }

            found(hash, version, number);
        }

        return true;
    }

    private bool TryAddFile()
    {
        if (files.Count == 0)
        {
            firstFile = Next >> shift;
        }

        if (files.Count == maxFiles)
        {
            return false;
        }

        if ((spares.TryPop(out var spare) ? spare : TryCreate()) is not { } file)
        {
            return false;
        }

        files.Add(file);
        return true;
    }

    private MappedFile? TryCreate()
    {
        try
        {
            return MappedFile.Create(Path.Combine(folder, $"{Stem}{(nextName++).ToString(CultureInfo.InvariantCulture)}.log"), slotsPerFile * SlotBytes);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private Span<byte> Slot(long number) => files[(int)((number >> shift) - firstFile)].Span.Slice((int)(number & (slotsPerFile - 1)) * SlotBytes, SlotBytes);

    private ulong Seal(ulong hash, ulong version) =>
        (BitOperations.RotateLeft((hash ^ secret) * 0x9E3779B185EBCA87, 31) + (version ^ BitOperations.RotateLeft(secret, 32))) * 0xC2B2AE3D27D4EB4F | 1;

    private static ulong SecretOf(Guid generation)
    {
        Span<byte> bytes = stackalloc byte[16];
        generation.TryWriteBytes(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes) ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
    }
}
