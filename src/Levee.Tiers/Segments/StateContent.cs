using System.Buffers.Binary;
using System.Text;
using Levee.Segments;

namespace Levee.Tiers.Segments;

/// <summary>
/// What a tier's state says, and how it lies in a slot. Little endian.
/// <code>
///   0 magic        8  0: nothing, or a write that was not finished
///   8 version      4
///  12 crc32c       4  of 0-11 and of what follows, to the slot's end
///  16 counter      8  the higher one of two slots is the newer
///  24 generation  16
///  40 sequence     8  of the open segment
///  48 reserved     8  Unix ms
///  56 boot        24
///  80 clean        1
///  81 synced       1  since the generation began, or a clean stop, every write was flushed
///  82 given up     2  how many
///  84 note         2  its length
///  86 voids        1  records were marked void in the segments' maps (<see cref="VoidMap"/>), which therefore must be there
///  87 zero         9
///  96 note       256  UTF-8
/// 352 given up  1024  16 each
/// </code>
/// </summary>
internal sealed record StateContent
{
    public const int SlotBytes = 4096;
    public const int FormatVersion = 2;

    /// <summary>What is written where no later format is needed, so that an earlier version can go on with it.</summary>
    private const int FirstVersion = 1;
    public const int MaxNoteBytes = 256;
    public const int MaxGivenUp = 64;
    public const int MagicBytes = 8;

    private const int NoteOffset = 96;
    private const int GivenUpOffset = NoteOffset + MaxNoteBytes;

    /// <summary>What a slot turned out to hold.</summary>
    public enum SlotFinding
    {
        Unwritten,
        Sound,
        Damaged,
        LaterVersion,
    }

    public ulong Counter { get; init; }

    public Guid Generation { get; init; }

    public long OpenSequence { get; init; }

    public long ReservedMs { get; init; }

    public required BootIdentity Boot { get; init; }

    public bool IsClean { get; init; }

    public bool IsSynced { get; init; }

    public bool HasVoids { get; init; }

    public IReadOnlyList<Guid> GivenUp { get; init; } = [];

    public string Note { get; init; } = "";

    private static ReadOnlySpan<byte> Magic => "LEVEESTA"u8;

    /// <summary>Fills a slot's bytes.</summary>
    public void Write(Span<byte> slot)
    {
        slot.Clear();
        Magic.CopyTo(slot);
        BinaryPrimitives.WriteInt32LittleEndian(slot[8..], HasVoids ? FormatVersion : FirstVersion);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[16..], Counter);
        Generation.TryWriteBytes(slot[24..]);
        BinaryPrimitives.WriteInt64LittleEndian(slot[40..], OpenSequence);
        BinaryPrimitives.WriteInt64LittleEndian(slot[48..], ReservedMs);
        Boot.Write(slot.Slice(56, BootIdentity.Bytes));
        slot[80] = IsClean ? (byte)1 : (byte)0;
        slot[81] = IsSynced ? (byte)1 : (byte)0;
        slot[86] = HasVoids ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt16LittleEndian(slot[82..], (ushort)GivenUp.Count);
        BinaryPrimitives.WriteUInt16LittleEndian(slot[84..], (ushort)Encoding.UTF8.GetBytes(Note, slot.Slice(NoteOffset, MaxNoteBytes)));
        for (var i = 0; i < GivenUp.Count; i++)
        {
            GivenUp[i].TryWriteBytes(slot[(GivenUpOffset + (16 * i))..]);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(slot[12..], Checksum(slot));
    }

    /// <summary>Reads a slot.</summary>
    public static SlotFinding Read(ReadOnlySpan<byte> slot, out StateContent? content)
    {
        content = null;
        if (!slot[..MagicBytes].ContainsAnyExcept((byte)0))
        {
            return SlotFinding.Unwritten;
        }

        if (!slot.StartsWith(Magic) || BinaryPrimitives.ReadUInt32LittleEndian(slot[12..]) != Checksum(slot))
        {
            return SlotFinding.Damaged;
        }

        if (BinaryPrimitives.ReadInt32LittleEndian(slot[8..]) > FormatVersion)
        {
            return SlotFinding.LaterVersion;
        }

        int givenUp = BinaryPrimitives.ReadUInt16LittleEndian(slot[82..]);
        int note = BinaryPrimitives.ReadUInt16LittleEndian(slot[84..]);
        if (givenUp > MaxGivenUp || note > MaxNoteBytes)
        {
            return SlotFinding.Damaged;
        }

        var ids = new Guid[givenUp];
        for (var i = 0; i < givenUp; i++)
        {
            ids[i] = new Guid(slot.Slice(GivenUpOffset + (16 * i), 16));
        }

        content = new StateContent
        {
            Counter = BinaryPrimitives.ReadUInt64LittleEndian(slot[16..]),
            Generation = new Guid(slot.Slice(24, 16)),
            OpenSequence = BinaryPrimitives.ReadInt64LittleEndian(slot[40..]),
            ReservedMs = BinaryPrimitives.ReadInt64LittleEndian(slot[48..]),
            Boot = BootIdentity.Read(slot.Slice(56, BootIdentity.Bytes)),
            IsClean = slot[80] != 0,
            IsSynced = slot[81] != 0,
            HasVoids = slot[86] != 0,
            GivenUp = ids,
            Note = Encoding.UTF8.GetString(slot.Slice(NoteOffset, note)),
        };
        return SlotFinding.Sound;
    }

    private static uint Checksum(ReadOnlySpan<byte> slot)
    {
        Span<byte> covered = stackalloc byte[SlotBytes - 4];
        slot[..12].CopyTo(covered);
        slot[16..SlotBytes].CopyTo(covered[12..]);
        return TierRecord.Crc32C(covered);
    }
}
