using System.Runtime.InteropServices;

namespace Levee.Memory;

/// <summary>
/// Asks the system to back memory with huge pages. A cache's accesses are random: with pages of 4 KiB nearly each of the three a lookup makes (bucket, node, record) also misses the TLB.
/// Only advice: where it cannot be given, nothing else changes.
/// </summary>
internal static partial class HugePages
{
    /// <summary>The size of a huge page on x86-64 and on arm64 with 4 KiB granules; memory to advise on is aligned to it.</summary>
    public const int Bytes = 2 * 1024 * 1024;

    private const int MadvHugePage = 14;

    /// <summary>Advises on memory that begins and ends on multiples of <see cref="Bytes"/>.</summary>
    public static unsafe void Advise(void* memory, nuint length)
    {
        if (OperatingSystem.IsLinux())
        {
            // A kernel without transparent huge pages answers EINVAL; that is as good an answer as any.
            _ = MAdvise(memory, length, MadvHugePage);
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial int MAdvise(void* address, nuint length, int advice);
}
