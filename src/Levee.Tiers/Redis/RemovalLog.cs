using System.Globalization;
using System.Text;
using Levee.Operations;
using Levee.Segments;
using Levee.Tiers.Segments;

namespace Levee.Tiers.Redis;

/// <summary>
/// Tag removals and clears, logged in mapped files as records (<see cref="TierRecord.WriteControl"/>), one after the other: the first that is not sound is the end. Owned by the tier's
/// lock, but for <see cref="Rewrite"/>. A removal is forgotten when every record that the tier holds came later; a clear, of which a partition has one, is kept.
/// </summary>
internal sealed class RemovalLog : IDisposable
{
    private const string Stem = "removals-";
    private const int FileBytes = 256 * 1024;
    private const int HeaderBytes = 16;

    // Below this many bytes nothing is rewritten.
    private const long QuietBytes = 4L * FileBytes;

    private readonly string folder;
    private readonly Dictionary<Removal, ulong> live = [];
    private List<MappedFile> files = [];
    private int position = FileBytes;
    private long nextName;
    private Guid generation;
    private long liveBytes;

    public RemovalLog(string folder)
    {
        this.folder = folder;
    }

    /// <summary>What counts: the highest version of each removal.</summary>
    public IEnumerable<KeyValuePair<Removal, ulong>> Live => live;

    /// <summary>Whether the files hold much that does not count any more.</summary>
    public bool IsWorthRewriting => (long)files.Count * FileBytes > QuietBytes + (2 * liveBytes);

    /// <summary>Takes over what an earlier process has logged for the same generation. Files of other generations go.</summary>
    public void Open(Guid generation)
    {
        this.generation = generation;
        foreach (var path in Directory.GetFiles(folder, Stem + "*.log").Order(StringComparer.Ordinal))
        {
            if (long.TryParse(Path.GetFileNameWithoutExtension(path.AsSpan())[Stem.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out var name))
            {
                nextName = Math.Max(nextName, name + 1);
            }

            var file = MappedFile.Open(path);
            if (file.Length == FileBytes && new Guid(file.Span[..HeaderBytes]) == generation)
            {
                Read(file.Span[HeaderBytes..]);
                files.Add(file);
            }
            else
            {
                file.Dispose();
                File.Delete(path);
            }
        }
    }

    /// <summary>Logs a removal; an empty tag means a clear. It survives the process when this returns.</summary>
    /// <returns>False where the disk has no room.</returns>
    public bool TryAppend(int partition, ReadOnlySpan<byte> tag, ulong version)
    {
        if (!TryWrite(files, generation, ref position, partition, tag, version))
        {
            return false;
        }

        Remember(new Removal(partition, Encoding.Latin1.GetString(tag)), version);
        return true;
    }

    /// <summary>Forgets tag removals that are older than everything that the tier holds.</summary>
    public void Forget(long holdsFromMs)
    {
        foreach (var (removal, version) in live)
        {
            // A version is above its clock shifted by 16 bits, so this errs towards keeping.
            if (removal.Tag.Length > 0 && (long)(version >> 16) < holdsFromMs - 1)
            {
                live.Remove(removal);
                liveBytes -= BytesOf(removal.Tag.Length);
            }
        }
    }

    /// <summary>Takes what counts, to be written anew; what comes from now on goes to another file.</summary>
    public RewriteWork BeginRewrite()
    {
        position = FileBytes;
        return new RewriteWork(generation, [.. live], [.. files]);
    }

    /// <summary>Writes what was taken into new files. Not under the tier's lock.</summary>
    /// <returns>Null where the disk has no room; then the old files go on counting.</returns>
    public List<MappedFile>? Rewrite(RewriteWork work)
    {
        var written = new List<MappedFile>();
        var end = FileBytes;
        foreach (var (removal, version) in work.Live)
        {
            if (!TryWrite(written, work.Generation, ref end, removal.Partition, Encoding.Latin1.GetBytes(removal.Tag), version))
            {
                written.ForEach(Delete);
                return null;
            }
        }

        return written;
    }

    /// <summary>Lets the new files take the place of the old ones, and returns those that are to be deleted: the new ones, where another generation has begun.</summary>
    public IReadOnlyList<MappedFile> EndRewrite(RewriteWork work, List<MappedFile> written)
    {
        if (work.Generation != generation)
        {
            return written;
        }

        files = [.. written, .. files.Skip(work.Files.Count)];
        return work.Files;
    }

    /// <summary>Begins anew for another generation: what was logged before does not count any more.</summary>
    public void Restart(Guid generation)
    {
        this.generation = generation;
        live.Clear();
        liveBytes = 0;
        position = FileBytes;
        foreach (var file in files)
        {
            Delete(file);
        }

        files = [];
    }

    /// <summary>The files.</summary>
    public IReadOnlyList<MappedFile> Files => files;

    /// <summary>Brings the files to the disk.</summary>
    public void Flush()
    {
        foreach (var file in files)
        {
            file.Flush();
        }
    }

    /// <summary>Closes and deletes a file.</summary>
    public static void Delete(MappedFile file)
    {
        file.Dispose();
        File.Delete(file.Path);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var file in files)
        {
            file.Dispose();
        }

        files = [];
    }

    private static long BytesOf(int tagLength) => TierRecord.Padded(TierRecord.HeaderBytes + tagLength);

    private void Read(ReadOnlySpan<byte> records)
    {
        while (TierRecord.IsSound(records))
        {
            var tag = TierRecord.Type(records) == TierRecordType.TagRemoval ? Encoding.Latin1.GetString(TierRecord.Body(records)) : "";
            Remember(new Removal((int)TierRecord.Hash(records), tag), TierRecord.Version(records));
            records = records[Math.Min(TierRecord.Padded(TierRecord.Length(records)), records.Length)..];
        }
    }

    private void Remember(Removal removal, ulong version)
    {
        if (live.TryGetValue(removal, out var known))
        {
            live[removal] = Math.Max(known, version);
            return;
        }

        live.Add(removal, version);
        liveBytes += BytesOf(removal.Tag.Length);
    }

    private bool TryWrite(List<MappedFile> target, Guid generation, ref int end, int partition, ReadOnlySpan<byte> tag, ulong version)
    {
        var length = TierRecord.HeaderBytes + tag.Length;
        if (end + TierRecord.Padded(length) > FileBytes)
        {
            try
            {
                var name = (Interlocked.Increment(ref nextName) - 1).ToString("D12", CultureInfo.InvariantCulture);
                var file = MappedFile.Create(Path.Combine(folder, $"{Stem}{name}.log"), FileBytes);
                generation.TryWriteBytes(file.Span);
                target.Add(file);
                end = HeaderBytes;
            }
            catch (IOException)
            {
                return false;
            }
        }

        // Made whole elsewhere: a process that dies in between leaves a record without its checksum, whatever the order of the stores.
        Span<byte> record = stackalloc byte[TierRecord.HeaderBytes + Limits.MaxTagBytes];
        record = record[..length];
        TierRecord.WriteControl(record, tag.IsEmpty ? TierRecordType.Clear : TierRecordType.TagRemoval, (ulong)partition, version, tag);
        record.CopyTo(target[^1].Span[end..]);
        end += TierRecord.Padded(length);
        return true;
    }

    /// <summary>What a removal is about; an empty tag: everything in the partition.</summary>
    internal readonly record struct Removal(int Partition, string Tag);

    /// <summary>What is to be written anew, and the files that go then.</summary>
    internal sealed record RewriteWork(Guid Generation, IReadOnlyList<KeyValuePair<Removal, ulong>> Live, IReadOnlyList<MappedFile> Files);
}
