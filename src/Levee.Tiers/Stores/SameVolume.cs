using System.Runtime.InteropServices;

namespace Levee.Tiers.Stores;

/// <summary>Renames where that is possible without copying: the framework's own move copies across volumes, and what it copies can be seen half done.</summary>
internal static partial class SameVolume
{
    private const int CrossDevice = 18;

    /// <returns>False where the names are on different volumes, or where it cannot be known.</returns>
    public static bool TryRename(string from, string to)
    {
        if (!OperatingSystem.IsLinux())
        {
            return false;
        }

        if (Rename(from, to) == 0)
        {
            return true;
        }

        var error = Marshal.GetLastPInvokeError();
        return error == CrossDevice ? false : throw new IOException($"{from} could not be renamed to {to}: {Marshal.GetPInvokeErrorMessage(error)}.", error);
    }

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Rename(string from, string to);
}
