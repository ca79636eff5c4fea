using System.Buffers.Binary;
using Levee.Segments;
using Microsoft.Win32.SafeHandles;

namespace Levee.Tiers.Segments;

/// <summary>
/// Room, allocated together with a segment, in which each of its records can be marked void: on a full disk, where the log takes no tombstone any more, what was acknowledged can still be deleted, and no more than that is lost.
/// A file beside the segments, of blocks of 64 bytes. Little endian.
/// <code>
/// block 0    magic 8 · generation 16 · sequence 8 · zero 28 · crc32c 4 of 0-59    written when the segment begins
/// block n    bits 56: one for each 8 bytes of the segment, where a record may begin · crc32c 4 of bits and n · its complement 4
/// </code>
/// A block is written at one stroke and never across two pages. One that is damaged marks everything that it speaks of as void: losing is allowed.
/// One owner, who holds the tier's lock, but for <see cref="Create"/> and <see cref="TryRead"/>.
/// </summary>
internal sealed class VoidMap
{
    /// <summary>How the files' names end.</summary>
    public const string Suffix = ".voids";

    private const int BlockBytes = 64;
    private const int BitBytes = 56;
    private const int RecordsPerBlock = BitBytes * 8;
    private const int HeaderChecksumOffset = 60;

    private readonly string path;
    private SafeFileHandle? handle;

    private VoidMap(string path, SafeFileHandle? handle) => (this.path, this.handle) = (path, handle);

    private static ReadOnlySpan<byte> Magic => "LEVEEVOI"u8;

    /// <summary>Creates the map of a segment that belongs to no generation yet, with no record void.</summary>
    /// <exception cref="IOException">There is no room for it; then nothing is left of it.</exception>
    public static VoidMap Create(string path, int segmentBytes)
    {
        var bytes = new byte[BlockBytes * (1 + BlockOf((int)Math.Min(segmentBytes, SegmentLocation.OffsetLimit) - TierRecord.Alignment))];
        for (var block = 1; block < bytes.Length / BlockBytes; block++)
        {
            Seal(bytes.AsSpan(block * BlockBytes, BlockBytes), block);
        }

        PrivateFiles.Open(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0).Dispose();
        var handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            RandomAccess.Write(handle, bytes, 0);
            return new VoidMap(path, handle);
        }
        catch
        {
            handle.Dispose();
            File.Delete(path);
            throw;
        }
    }

    /// <summary>Takes a map that an earlier owner left.</summary>
    /// <returns>Null where it is none of the generation: an unused spare, or one of another generation.</returns>
    public static VoidMap? TryAdopt(string path, Guid generation, out long sequence)
    {
        Span<byte> header = stackalloc byte[BlockBytes];
        using var file = File.OpenHandle(path);
        sequence = 0;
        if (RandomAccess.Read(file, header, 0) < BlockBytes || !IsHeader(header) || new Guid(header.Slice(8, 16)) != generation)
        {
            return null;
        }

        sequence = BinaryPrimitives.ReadInt64LittleEndian(header[24..]);
        return new VoidMap(path, null);
    }

    /// <summary>Makes it the map of a segment. Before the segment has its own number: none is ever without.</summary>
    public void Begin(Guid generation, long sequence)
    {
        Span<byte> header = stackalloc byte[BlockBytes];
        header.Clear();
        Magic.CopyTo(header);
        generation.TryWriteBytes(header[8..]);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(header[HeaderChecksumOffset..], TierRecord.Crc32C(header[..HeaderChecksumOffset]));
        RandomAccess.Write(handle!, header, 0);
    }

    /// <summary>Marks a record void. It survives the process when this returns; where that is asked, the machine too.</summary>
    /// <returns>False where the file cannot be written.</returns>
    public bool TrySet(int offset, bool isDurable)
    {
        try
        {
            using var opened = handle is null ? File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete) : null;
            var file = handle ?? opened!;
            var number = BlockOf(offset);
            Span<byte> block = stackalloc byte[BlockBytes];
            if (RandomAccess.Read(file, block, (long)number * BlockBytes) < BlockBytes)
            {
                return false;
            }

            if (!IsSound(block, number))
            {
                block[..BitBytes].Fill(0xFF);
            }

            var bit = offset / TierRecord.Alignment % RecordsPerBlock;
            block[bit / 8] |= (byte)(1 << (bit % 8));
            Seal(block, number);
            RandomAccess.Write(file, block, (long)number * BlockBytes);
            if (isDurable)
            {
                RandomAccess.FlushToDisk(file);
            }

            return true;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Reads which records are void.</summary>
    /// <returns>Null where that cannot be said: nothing of the segment can be vouched for.</returns>
    public VoidBits? TryRead(Guid generation, long sequence)
    {
        try
        {
            var bytes = File.ReadAllBytes(path);
            return bytes.Length >= BlockBytes && IsHeader(bytes) && new Guid(bytes.AsSpan(8, 16)) == generation && BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(24)) == sequence
                ? new VoidBits(bytes)
                : null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Lets go of the file, which is opened again where it is needed: the segment is full.</summary>
    public void Close()
    {
        handle?.Dispose();
        handle = null;
    }

    /// <summary>Deletes the file.</summary>
    public void Delete()
    {
        Close();
        File.Delete(path);
    }

    private static int BlockOf(int offset) => 1 + (offset / TierRecord.Alignment / RecordsPerBlock);

    private static bool IsHeader(ReadOnlySpan<byte> header) =>
        header.StartsWith(Magic) && BinaryPrimitives.ReadUInt32LittleEndian(header[HeaderChecksumOffset..]) == TierRecord.Crc32C(header[..HeaderChecksumOffset]);

    private static uint Checksum(ReadOnlySpan<byte> block, int number) => TierRecord.Crc32C(block[..BitBytes]) ^ ((uint)number * 0x9E3779B1);

    private static void Seal(Span<byte> block, int number)
    {
        var checksum = Checksum(block, number);
        BinaryPrimitives.WriteUInt32LittleEndian(block[BitBytes..], checksum);
        BinaryPrimitives.WriteUInt32LittleEndian(block[(BitBytes + 4)..], ~checksum);
    }

    private static bool IsSound(ReadOnlySpan<byte> block, int number)
    {
        var checksum = Checksum(block, number);
        return BinaryPrimitives.ReadUInt32LittleEndian(block[BitBytes..]) == checksum && BinaryPrimitives.ReadUInt32LittleEndian(block[(BitBytes + 4)..]) == ~checksum;
    }

    /// <summary>A map as it was read.</summary>
    public sealed class VoidBits
    {
        private readonly byte[] bytes;

        public VoidBits(byte[] bytes) => this.bytes = bytes;

        /// <summary>Whether the record at an offset is void, or cannot be vouched for.</summary>
        public bool IsVoid(int offset)
        {
            var number = BlockOf(offset);
            if (bytes.Length < (number + 1) * BlockBytes)
            {
                return true;
            }

            var block = bytes.AsSpan(number * BlockBytes, BlockBytes);
            var bit = offset / TierRecord.Alignment % RecordsPerBlock;
            return !IsSound(block, number) || (block[bit / 8] & (1 << (bit % 8))) != 0;
        }
    }
}
