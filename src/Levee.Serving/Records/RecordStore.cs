using System.IO.Hashing;
using System.Text;
using Levee.Tiers;

namespace Levee.Serving.Records;

/// <summary>A record: bytes, and the tag that whoever changes it must know.</summary>
/// <param name="ETag">Another with each write.</param>
/// <param name="Data">What was written.</param>
internal readonly record struct StoredRecord(string ETag, byte[] Data);

/// <summary>
/// The records of a cluster without a store of its own (who owns which partition, how far each silo's clock may go, the caches' configurations), in memory and in a folder of the first silo's data directory:
/// a silo that restarts finds what it owned. A file for each record is replaced as a whole, so a killed process leaves the old one or the new one. A damaged file counts as none: what it recorded is not known, which every reader of records allows for.
/// Safe for threads.
/// </summary>
/// <remarks>
/// File: 4 bytes "LVR1"; 4 bytes length of the name; 4 bytes length of the data; the name in UTF-8; the 16 bytes of the ETag; the data; 8 bytes XXH3 of all before. Little-endian. The file is called after the hash of the name.
/// </remarks>
internal sealed class RecordStore
{
    private const int HeadBytes = 12;
    private const int TagBytes = 16;
    private const int HashBytes = 8;
    private const string Extension = ".record";

    private static readonly byte[] Magic = "LVR1"u8.ToArray();

    private readonly Lock gate = new();
    private readonly Dictionary<string, StoredRecord> records = new(StringComparer.Ordinal);
    private string? folder;

    /// <summary>How many files could not be read when the store was opened.</summary>
    public int Damaged { get; private set; }

    /// <summary>All names.</summary>
    public IReadOnlyList<string> Names
    {
        get
        {
            lock (gate)
            {
                return [.. records.Keys];
            }
        }
    }

    /// <summary>Reads what a folder has, and keeps records there from now on. A store that is never opened keeps them in memory alone.</summary>
    /// <param name="path">The folder, made where it is absent. The caller has locked the data directory.</param>
    /// <exception cref="StartException">It cannot be used.</exception>
    public void Open(string path)
    {
        try
        {
            PrivateFiles.CreateFolder(path);
            foreach (var file in Directory.EnumerateFiles(path, "*" + Extension))
            {
                if (TryParse(File.ReadAllBytes(file), out var name, out var record))
                {
                    records[name] = record;
                }
                else
                {
                    Damaged++;
                }
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new StartException($"{ServeOption.DataDir.Flag}: the folder {path}, in which the records of a cluster without a store lie, cannot be used: {failure.Message}", failure);
        }

        folder = path;
    }

    /// <summary>A record; null where there is none.</summary>
    public StoredRecord? Read(string name)
    {
        lock (gate)
        {
            return records.TryGetValue(name, out var record) ? record : null;
        }
    }

    /// <summary>Writes a record, where the caller knows the present one.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="data">What to write; not copied, and not to be changed any more.</param>
    /// <param name="etag">The tag of the present record; null: there is none.</param>
    /// <returns>The new tag; null where the present record is another.</returns>
    /// <exception cref="IOException">The file could not be written; the record is the old one.</exception>
    public string? TryWrite(string name, byte[] data, string? etag)
    {
        lock (gate)
        {
            if (!IsPresent(name, etag))
            {
                return null;
            }

            var record = new StoredRecord(Guid.NewGuid().ToString("N"), data);
            if (folder is not null)
            {
                Replace(PathOf(name), Format(name, record));
            }

            records[name] = record;
            return record.ETag;
        }
    }

    /// <summary>Removes a record, where the caller knows the present one.</summary>
    /// <returns>False where the present record is another.</returns>
    /// <exception cref="IOException">The file could not be removed.</exception>
    public bool TryRemove(string name, string? etag)
    {
        lock (gate)
        {
            if (!IsPresent(name, etag))
            {
                return false;
            }

            if (folder is not null)
            {
                File.Delete(PathOf(name));
            }

            records.Remove(name);
            return true;
        }
    }

    private bool IsPresent(string name, string? etag) => records.TryGetValue(name, out var present) ? present.ETag == etag : etag is null;

    private string PathOf(string name) => Path.Combine(folder!, Convert.ToHexStringLower(XxHash128.Hash(Encoding.UTF8.GetBytes(name))) + Extension);

    private static void Replace(string path, byte[] content)
    {
        var next = path + ".next";
        using (var file = PrivateFiles.Open(next, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            file.Write(content);
        }

        File.Move(next, path, overwrite: true);
    }

    private static byte[] Format(string name, StoredRecord record)
    {
        var nameBytes = Encoding.UTF8.GetBytes(name);
        var content = new byte[HeadBytes + nameBytes.Length + TagBytes + record.Data.Length + HashBytes];
        Magic.CopyTo(content, 0);
        BitConverter.TryWriteBytes(content.AsSpan(4), nameBytes.Length);
        BitConverter.TryWriteBytes(content.AsSpan(8), record.Data.Length);
        nameBytes.CopyTo(content, HeadBytes);
        Convert.FromHexString(record.ETag).CopyTo(content, HeadBytes + nameBytes.Length);
        record.Data.CopyTo(content, HeadBytes + nameBytes.Length + TagBytes);
        XxHash3.Hash(content.AsSpan(0, content.Length - HashBytes), content.AsSpan(content.Length - HashBytes));
        return content;
    }

    private static bool TryParse(ReadOnlySpan<byte> content, out string name, out StoredRecord record)
    {
        (name, record) = ("", default);
        if (content.Length < HeadBytes + TagBytes + HashBytes || !content.StartsWith(Magic) || !content[^HashBytes..].SequenceEqual(XxHash3.Hash(content[..^HashBytes])))
        {
            return false;
        }

        var nameLength = BitConverter.ToInt32(content[4..]);
        var dataLength = BitConverter.ToInt32(content[8..]);
        if (nameLength < 0 || dataLength < 0 || content.Length != (long)HeadBytes + nameLength + TagBytes + dataLength + HashBytes)
        {
            return false;
        }

        name = Encoding.UTF8.GetString(content.Slice(HeadBytes, nameLength));
        record = new StoredRecord(Convert.ToHexStringLower(content.Slice(HeadBytes + nameLength, TagBytes)), content.Slice(HeadBytes + nameLength + TagBytes, dataLength).ToArray());
        return true;
    }
}
