using System.Runtime.InteropServices;

namespace Levee.Tiers.Segments;

/// <summary>What the framework does not offer of files: blocks that are really there, and folders whose names are on the disk.</summary>
internal static partial class Disk
{
    private const int NotSupported = 95; // EOPNOTSUPP on Linux
    private const int InvalidArgument = 22;
    private const int Interrupted = 4;

    /// <summary>
    /// Gives a file its length and every block of it memory on the disk. glibc's posix_fallocate writes to each block where the file system cannot allocate; where even that is out of reach, zeros are written here.
    /// </summary>
    /// <param name="file">A file of no more than <paramref name="length"/> bytes, opened for writing.</param>
    /// <param name="length">Its length afterwards.</param>
    /// <exception cref="IOException">The disk is full, or fails.</exception>
    public static void Allocate(FileStream file, long length)
    {
        if (!OperatingSystem.IsLinux() || !Environment.Is64BitProcess)
        {
            FillWithZeros(file, length);
            return;
        }

        int error;
        do
        {
            error = PosixFAllocate(file.SafeFileHandle, 0, (nint)length);
        }
        while (error == Interrupted);

        if (error is NotSupported or InvalidArgument)
        {
            FillWithZeros(file, length);
        }
        else if (error != 0)
        {
            throw new IOException($"{length} bytes could not be allocated for '{file.Name}': {Marshal.GetPInvokeErrorMessage(error)}.", error);
        }
    }

    /// <summary>Brings the names in a folder to the disk. Where a folder cannot be opened (Windows) the file system does that by itself.</summary>
    public static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        var descriptor = Open(folder, 0);
        if (descriptor < 0)
        {
            throw Failure(folder);
        }

        try
        {
            if (FSync(descriptor) != 0 && Marshal.GetLastPInvokeError() != InvalidArgument)
            {
                throw Failure(folder);
            }
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    private static void FillWithZeros(FileStream file, long length)
    {
        var zeros = new byte[64 * 1024];
        for (var offset = RandomAccess.GetLength(file.SafeFileHandle); offset < length; offset += zeros.Length)
        {
            RandomAccess.Write(file.SafeFileHandle, zeros.AsSpan(0, (int)Math.Min(zeros.Length, length - offset)), offset);
        }
    }

    private static IOException Failure(string folder)
    {
        var error = Marshal.GetLastPInvokeError();
        return new IOException($"The folder '{folder}' could not be brought to the disk: {Marshal.GetPInvokeErrorMessage(error)}.", error);
    }

    [LibraryImport("libc", EntryPoint = "posix_fallocate")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int PosixFAllocate(SafeHandle file, nint offset, nint length);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int FSync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int descriptor);
}
