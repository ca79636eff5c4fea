using System.IO.MemoryMappedFiles;

namespace Levee.Tiers.Segments;

/// <summary>
/// A file of fixed length in memory. What is stored in <see cref="Span"/> is the operating system's at once and survives the death of the process; <see cref="Flush"/> brings it to the disk.
/// All its blocks are allocated before it is mapped, so that a full disk is an exception here and never the end of the process at some later store.
/// <para>Stores are for one thread at a time. <see cref="Flush"/> may run beside them, and waits for <see cref="Truncate"/> and <see cref="Dispose"/> as they wait for it.
/// Whoever holds a span sees to it that nobody disposes of or truncates the file meanwhile.</para>
/// </summary>
public sealed unsafe class MappedFile : IDisposable
{
    private readonly Lock gate = new();
    private readonly FileStream file;
    private MemoryMappedFile? map;
    private MemoryMappedViewAccessor? view;
    private byte* bytes;
    private bool isNameOnDisk;

    private MappedFile(FileStream file, int length)
    {
        this.file = file;
        Length = length;
        map = MemoryMappedFile.CreateFromFile(file, null, length, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true);
        try
        {
            view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.ReadWrite);
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref bytes);
            bytes += view.PointerOffset;
        }
        catch
        {
            view?.Dispose();
            map.Dispose();
            throw;
        }
    }

    /// <summary>The file.</summary>
    public string Path => file.Name;

    /// <summary>Its length, in bytes.</summary>
    public int Length { get; private set; }

    /// <summary>Its bytes. Valid until <see cref="Truncate"/> or <see cref="Dispose"/>.</summary>
    public Span<byte> Span
    {
        get
        {
            ObjectDisposedException.ThrowIf(bytes == null, this);
            return new Span<byte>(bytes, Length);
        }
    }

    /// <summary>Creates a file of zeros. One of the same name is replaced; who has it open keeps the old one.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="length">Its length, in bytes.</param>
    /// <param name="share">What others may do with it meanwhile.</param>
    /// <exception cref="IOException">There is no room for it; then nothing is left of it.</exception>
    public static MappedFile Create(string path, int length, FileShare share = FileShare.ReadWrite | FileShare.Delete)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        File.Delete(path);
        var file = OpenFile(path, FileMode.CreateNew, share);
        try
        {
            Disk.Allocate(file, length);
            return new MappedFile(file, length);
        }
        catch
        {
            file.Dispose();
            File.Delete(path);
            throw;
        }
    }

    /// <summary>Opens a file as long as it is. Blocks that it lacks (a copy may have left out zeros) are allocated.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="share">What others may do with it meanwhile.</param>
    /// <exception cref="IOException">It is not there, empty, longer than can be mapped, in use, or there is no room for all its blocks.</exception>
    public static MappedFile Open(string path, FileShare share = FileShare.ReadWrite | FileShare.Delete)
    {
        var file = OpenFile(path, FileMode.Open, share);
        try
        {
            if (file.Length is 0 or > int.MaxValue)
            {
                throw new IOException($"'{path}' has {file.Length} bytes; what can be mapped has 1 to {int.MaxValue}.");
            }

            Disk.Allocate(file, file.Length);
            return new MappedFile(file, (int)file.Length);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Returns when all that was stored before the call is on the disk, and the file's name is.</summary>
    /// <exception cref="IOException">It could not be brought there; what is there is not known.</exception>
    public void Flush()
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(file.SafeFileHandle.IsClosed, this);
            view?.Flush();
            RandomAccess.FlushToDisk(file.SafeFileHandle);
            if (!isNameOnDisk)
            {
                Disk.FlushFolder(System.IO.Path.GetDirectoryName(file.Name)!);
                isNameOnDisk = true;
            }
        }
    }

    /// <summary>Cuts the file. It is not mapped any more afterwards; it can still be flushed and disposed of.</summary>
    public void Truncate(int length)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(file.SafeFileHandle.IsClosed, this);
            ArgumentOutOfRangeException.ThrowIfNegative(length);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
            Unmap();
            RandomAccess.SetLength(file.SafeFileHandle, length);
            Length = length;
        }
    }

    /// <summary>Unmaps and closes the file. What was stored stays; it is the operating system's to bring to the disk.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            Unmap();
            file.Dispose();
        }
    }

    private static FileStream OpenFile(string path, FileMode mode, FileShare share) =>
        PrivateFiles.Open(System.IO.Path.GetFullPath(path), mode, FileAccess.ReadWrite, share, bufferSize: 0);

    private void Unmap()
    {
        if (bytes == null)
        {
            return;
        }

        bytes = null;

        // The handle first: disposing of a view whose handle is open flushes it to the disk, which nobody has asked for.
        view!.SafeMemoryMappedViewHandle.ReleasePointer();
        view.SafeMemoryMappedViewHandle.Dispose();
        view.Dispose();
        view = null;
        map!.Dispose();
        map = null;
    }
}
