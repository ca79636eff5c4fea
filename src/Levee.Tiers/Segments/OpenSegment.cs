using Levee.Partitions;
using Levee.Segments;
using Levee.Tiers.Stores;

namespace Levee.Tiers.Segments;

/// <summary>
/// A segment whose bytes are in a mapped file on this machine: empty and spare, open, or complete and waiting for the store. Who appends holds the tier's lock.
/// Who reads takes a lease under that lock and may then read what had been appended, without it; the file is unmapped when the last lease ends.
/// </summary>
internal sealed class OpenSegment
{
    private readonly MappedFile file;
    private readonly FooterBuilder footer = new();
    private int cursor = SegmentFormat.HeaderBytes;
    private int prewritten;
    private int leases = 1;
    private long completeLength;

    private OpenSegment(MappedFile file, VoidMap? voids = null)
    {
        this.file = file;
        Voids = voids;
        Path = file.Path;
        Length = file.Length;
    }

    public string Path { get; }

    /// <summary>Where its records can be marked void, if it was created here; null: an earlier owner left it.</summary>
    public VoidMap? Voids { get; }

    /// <summary>Length of the file.</summary>
    public int Length { get; }

    public SegmentHeader Header => new(Generation, Sequence, OpenedAtMs, SegmentFormat.FormatVersion);

    public Guid Generation { get; private set; }

    public long Sequence { get; private set; }

    public long OpenedAtMs { get; private set; }

    /// <summary>When the first entry was appended, Unix milliseconds; 0: it has none.</summary>
    public long FirstEntryMs { get; set; }

    /// <summary>Where its records end.</summary>
    public int RecordsEnd => cursor;

    public int Records { get; private set; }

    /// <summary>Whether something was appended that has not been flushed.</summary>
    public bool IsDirty { get; set; }

    /// <summary>What a file must be long to take one record of a length, with some room for what voids others.</summary>
    public static int LengthFor(int recordLength) =>
        SegmentFormat.HeaderBytes + TierRecord.Padded(recordLength) + SegmentFormat.TrailerBytes + (64 << 10);

    /// <summary>Creates an empty one that belongs to no generation yet.</summary>
    /// <exception cref="IOException">There is no room for it.</exception>
    public static OpenSegment Create(string path, int length)
    {
        var voids = VoidMap.Create(System.IO.Path.ChangeExtension(path, VoidMap.Suffix), length);
        try
        {
            return new OpenSegment(MappedFile.Create(path, length), voids);
        }
        catch
        {
            voids.Delete();
            throw;
        }
    }

    /// <summary>Takes a file that an earlier owner left.</summary>
    /// <returns>Null where it is none of the generation: an unused spare, a torn header or one of another generation.</returns>
    public static OpenSegment? TryAdopt(string path, Guid generation)
    {
        var file = MappedFile.Open(path);
        if (file.Length < SegmentFormat.HeaderBytes || !SegmentFormat.TryReadHeader(file.Span, out var header) || header.Generation != generation)
        {
            file.Dispose();
            return null;
        }

        return new OpenSegment(file) { Generation = generation, Sequence = header.Sequence, OpenedAtMs = header.OpenedAtMs };
    }

    /// <summary>The generation that a file belongs to; null where it has no sound header: a spare, or a damaged one.</summary>
    public static Guid? GenerationOf(string path)
    {
        Span<byte> header = stackalloc byte[SegmentFormat.HeaderBytes];
        using var file = File.Open(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        return file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) == header.Length && SegmentFormat.TryReadHeader(header, out var read) ? read.Generation : null;
    }

    /// <summary>Makes it the segment with a number.</summary>
    public void Activate(Guid generation, long sequence, long openedAtMs)
    {
        (Generation, Sequence, OpenedAtMs) = (generation, sequence, openedAtMs);
        Voids?.Begin(generation, sequence);
        SegmentFormat.WriteHeader(file.Span[..SegmentFormat.HeaderBytes], generation, sequence, openedAtMs);
        SegmentFormat.WriteCommitted(file.Span, cursor);
    }

    public bool HasRoomFor(int recordLength) => cursor < SegmentLocation.OffsetLimit && Room(TierRecord.Padded(recordLength), recordLength) >= 0;

    /// <summary>Copies a long record to where it will be the first, before the segment is anyone's and outside every lock.</summary>
    public void Prewrite(ReadOnlySpan<byte> record)
    {
        record.CopyTo(file.Span[cursor..]);
        prewritten = record.Length;
    }

    /// <summary>Appends a record, for which there is room.</summary>
    /// <returns>Its offset.</returns>
    public int Append(ReadOnlySpan<byte> record)
    {
        var offset = cursor;
        record.CopyTo(file.Span[offset..]);
        return Commit(record);
    }

    /// <summary>Writes an entry's plain record where it is to lie, for which there is room.</summary>
    /// <param name="entry">The entry; its value is inline.</param>
    /// <param name="length">Its plain record's length.</param>
    /// <returns>Its offset.</returns>
    public int AppendEntry(scoped in TierEntry entry, int length)
    {
        var record = file.Span.Slice(cursor, length);
        TierRecord.Write(entry, record);
        TierRecord.Seal(record);
        return Commit(record);
    }

    /// <summary>Appends the record that was prewritten; nothing else has been appended.</summary>
    public int AppendPrewritten() => Commit(file.Span.Slice(cursor, prewritten));

    /// <summary>Reads again what an earlier owner appended.</summary>
    /// <returns>False where what it had committed is not sound.</returns>
    public bool TryRebuild()
    {
        var committed = SegmentFormat.ReadCommitted(file.Span);
        if (committed < SegmentFormat.HeaderBytes || committed > file.Length)
        {
            return false;
        }

        var scan = new SegmentScan(file.Span[..committed], SegmentFormat.HeaderBytes);
        while (scan.MoveNext())
        {
            Note(scan.Record, scan.Offset);
        }

        return scan.End == ScanEnd.Complete;
    }

    /// <summary>The footer of what has been appended, as it would lie in the store.</summary>
    public byte[] FooterBytes()
    {
        var bytes = new byte[footer.LengthBytes];
        footer.WriteTo(bytes, Header, cursor);
        return bytes;
    }

    /// <summary>Bytes that have been appended; the caller has a lease.</summary>
    public ReadOnlySpan<byte> Read(long offset, int length) => file.Span.Slice((int)offset, Math.Min(length, (completeLength > 0 ? (int)completeLength : cursor) - (int)offset));

    /// <summary>Appends the footer. After that nothing is appended any more.</summary>
    public SegmentContent Complete()
    {
        if (completeLength == 0)
        {
            var length = footer.LengthBytes;
            footer.WriteTo(file.Span.Slice(cursor, length), Header, cursor);
            completeLength = cursor + length;
        }

        return new SegmentContent(Path, completeLength);
    }

    /// <summary>Brings it to the disk; the caller has a lease.</summary>
    public void Flush() => file.Flush();

    public OpenSegment Lease()
    {
        Interlocked.Increment(ref leases);
        return this;
    }

    /// <summary>Ends a lease, or the segment's own hold on its file.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref leases) == 0)
        {
            file.Dispose();
        }
    }

    /// <summary>Ends the segment's own hold, and deletes its files.</summary>
    public void Discard()
    {
        Release();
        File.Delete(Path);
        Voids?.Delete();
    }

    private int Commit(ReadOnlySpan<byte> record)
    {
        var offset = cursor;
        Note(record, offset);
        SegmentFormat.WriteCommitted(file.Span, cursor);
        IsDirty = true;
        return offset;
    }

    private void Note(ReadOnlySpan<byte> record, int offset)
    {
        footer.Add(offset, record);
        Records++;
        cursor += TierRecord.Padded(record.Length);
    }

    private int Room(int padded, int recordLength) =>
        Length - cursor - padded - footer.LengthBytes - SegmentFormat.FooterEntryBytes - (recordLength <= 512 ? TierRecord.Padded(recordLength) : 0);
}
