using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Levee.Segments;

/// <summary>
/// How a segment lies in a file or an object. Little endian.
/// <code>
/// header 64 · records (<see cref="TierRecord"/>), each padded to a multiple of 8 · footer · trailer 64; the last two only once it is sealed
///
/// header                                      trailer
///  0 magic          8                          0 magic               8
///  8 version        4                          8 version             4
/// 12 crc32c         4  of 0-11 and 16-47      12 crc32c of footer    4
/// 16 generation    16                         16 generation         16
/// 32 sequence       8                         32 sequence            8
/// 40 opened at      8  Unix ms                40 opened at           8
/// 48 committed      4                         48 footer's offset     4
/// 52 its complement 4                         52 entries             4
/// 56 zero           8                         56 bytes of controls   4
///                                             60 crc32c of 0-59      4
/// footer: per entry or tombstone, in the order of the log:  hash 8 · offset 4 · length 4 · expiry 4 · type 1 · zero 3
///         then copies of all other records, each padded to a multiple of 8
/// </code>
/// Of a later version only the magic, the version, the header's checksum (12, of the same bytes) and the trailer's (60) are taken to be where they are.
/// </summary>
public static class SegmentFormat
{
    /// <summary>Length of the header: where the first record begins.</summary>
    public const int HeaderBytes = 64;

    /// <summary>Length of an entry in the footer.</summary>
    public const int FooterEntryBytes = 24;

    /// <summary>Length of the trailer.</summary>
    public const int TrailerBytes = 64;

    /// <summary>The version that is written, and the highest that is read.</summary>
    public const int FormatVersion = 1;

    private const int CommittedOffset = 48;
    private const int TrailerChecksumOffset = 60;

    private static ReadOnlySpan<byte> HeaderMagic => "LEVEESEG"u8;

    private static ReadOnlySpan<byte> TrailerMagic => "LEVEEEND"u8;

    /// <summary>Writes the header of a segment that holds no record yet: committed are the header's own bytes.</summary>
    public static void WriteHeader(Span<byte> header, Guid generation, long sequence, long openedAtMs)
    {
        header = header[..HeaderBytes];
        header.Clear();
        WriteIdentity(header, HeaderMagic, new SegmentHeader(generation, sequence, openedAtMs, FormatVersion));
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], HeaderChecksum(header));
        WriteCommitted(header, HeaderBytes);
    }

    /// <summary>Reads the header of a segment.</summary>
    /// <returns>
    /// False where it is damaged, or of a later version: then it is undamaged and <paramref name="result"/>'s <see cref="SegmentHeader.Version"/> is above <see cref="FormatVersion"/>, and nothing else is known.
    /// </returns>
    public static bool TryReadHeader(ReadOnlySpan<byte> header, out SegmentHeader result)
    {
        result = default;
        return header.Length >= HeaderBytes
            && BinaryPrimitives.ReadUInt32LittleEndian(header[12..]) == HeaderChecksum(header)
            && TryReadIdentity(header, HeaderMagic, out result);
    }

    /// <summary>
    /// Says up to where an open segment's records are complete: one store of eight bytes that cannot be torn, after all stores before it. A mapped header begins at a multiple of 8.
    /// </summary>
    /// <param name="header">The segment's first bytes.</param>
    /// <param name="offset">Where the next record will begin.</param>
    public static void WriteCommitted(Span<byte> header, int offset)
    {
        var word = (ulong)(uint)~offset << 32 | (uint)offset;
        ref var place = ref MemoryMarshal.AsRef<ulong>(header.Slice(CommittedOffset, sizeof(ulong)));
        Volatile.Write(ref place, BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));
    }

    /// <summary>Up to where an open segment's records are complete.</summary>
    /// <returns>-1 where what is written cannot be right.</returns>
    public static int ReadCommitted(ReadOnlySpan<byte> header)
    {
        var word = BinaryPrimitives.ReadUInt64LittleEndian(header[CommittedOffset..]);
        var offset = (int)(uint)word;
        return (uint)~offset == (uint)(word >> 32) && offset >= HeaderBytes && offset % TierRecord.Alignment == 0 ? offset : -1;
    }

    /// <summary>Reads the trailer of a sealed segment.</summary>
    /// <param name="lastBytes">The segment's last bytes, <see cref="TrailerBytes"/> or more.</param>
    /// <param name="trailer">What it says.</param>
    /// <returns>False where it is damaged, or of a later version, as with <see cref="TryReadHeader"/>.</returns>
    public static bool TryReadTrailer(ReadOnlySpan<byte> lastBytes, out SegmentTrailer trailer)
    {
        trailer = default;
        if (lastBytes.Length < TrailerBytes)
        {
            return false;
        }

        var bytes = lastBytes[^TrailerBytes..];
        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes[TrailerChecksumOffset..]) != TierRecord.Crc32C(bytes[..TrailerChecksumOffset]))
        {
            return false;
        }

        var isRead = TryReadIdentity(bytes, TrailerMagic, out var header);
        trailer = isRead
            ? new SegmentTrailer(
                header,
                BinaryPrimitives.ReadInt32LittleEndian(bytes[48..]),
                BinaryPrimitives.ReadInt32LittleEndian(bytes[52..]),
                BinaryPrimitives.ReadInt32LittleEndian(bytes[56..]),
                BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]))
            : new SegmentTrailer { Header = header };
        return isRead && trailer is { FooterOffset: >= HeaderBytes, EntryCount: >= 0, ControlBytes: >= 0 };
    }

    /// <summary>Reads a footer.</summary>
    /// <param name="footer">From <see cref="SegmentTrailer.FooterOffset"/> on, <see cref="SegmentTrailer.FooterBytes"/> or more.</param>
    /// <param name="trailer">The segment's trailer.</param>
    /// <param name="result">A view of <paramref name="footer"/>.</param>
    /// <returns>False where it is damaged.</returns>
    public static bool TryReadFooter(ReadOnlySpan<byte> footer, in SegmentTrailer trailer, out SegmentFooter result)
    {
        result = default;
        if (footer.Length < trailer.FooterBytes || TierRecord.Crc32C(footer[..(int)trailer.FooterBytes]) != trailer.Checksum)
        {
            return false;
        }

        result = new SegmentFooter(footer[..(int)trailer.FooterBytes], trailer.EntryCount);
        return result.IsSound(trailer.FooterOffset);
    }

    /// <summary>Writes a trailer.</summary>
    internal static void WriteTrailer(Span<byte> bytes, in SegmentTrailer trailer)
    {
        WriteIdentity(bytes, TrailerMagic, trailer.Header);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[12..], trailer.Checksum);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[48..], trailer.FooterOffset);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[52..], trailer.EntryCount);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[56..], trailer.ControlBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[TrailerChecksumOffset..], TierRecord.Crc32C(bytes[..TrailerChecksumOffset]));
    }

    private static void WriteIdentity(Span<byte> bytes, ReadOnlySpan<byte> magic, in SegmentHeader header)
    {
        magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[8..], header.Version);
        header.Generation.TryWriteBytes(bytes[16..]);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[32..], header.Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[40..], header.OpenedAtMs);
    }

    private static bool TryReadIdentity(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> magic, out SegmentHeader header)
    {
        header = default;
        if (!bytes.StartsWith(magic))
        {
            return false;
        }

        var version = BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]);
        header = version == FormatVersion
            ? new SegmentHeader(new Guid(bytes[16..32]), BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]), version)
            : new SegmentHeader { Version = version };
        return version == FormatVersion;
    }

    private static uint HeaderChecksum(ReadOnlySpan<byte> header)
    {
        Span<byte> covered = stackalloc byte[12 + 32];
        header[..12].CopyTo(covered);
        header[16..CommittedOffset].CopyTo(covered[12..]);
        return TierRecord.Crc32C(covered);
    }
}
