using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Levee.Tiers.Stores;

/// <summary>Reads of a file that take no time because the bytes are in the system's page cache (Linux 4.14 and later).</summary>
internal static unsafe partial class CachedRead
{
    private const int NoWait = 8;
    private static bool isUnsupported = !OperatingSystem.IsLinux() || !Environment.Is64BitProcess;

    /// <summary>Fills a buffer from a file.</summary>
    /// <returns>False where not all of the bytes could be had without waiting.</returns>
    public static bool TryRead(SafeFileHandle file, long offset, Span<byte> destination)
    {
        if (isUnsupported)
        {
            return false;
        }

        try
        {
            fixed (byte* start = destination)
            {
                var part = new Part { Start = start, Length = destination.Length };
                return PReadV2(file, &part, 1, offset, NoWait) == destination.Length;
            }
        }
        catch (EntryPointNotFoundException)
        {
            isUnsupported = true;
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "preadv2")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint PReadV2(SafeFileHandle file, Part* parts, int count, long offset, int flags);

    [StructLayout(LayoutKind.Sequential)]
    private struct Part
    {
        public byte* Start;
        public nint Length;
    }
}
