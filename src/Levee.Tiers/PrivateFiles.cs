using System.Runtime.Versioning;

namespace Levee.Tiers;

/// <summary>
/// Folders and files that their owner alone can read: 0700 and 0600, since cached values lie in them. The modes hold from the moment of creation; the umask can only take more away. On Windows a folder's access list
/// is inherited, and nothing is done here.
/// </summary>
public static class PrivateFiles
{
    private const UnixFileMode FolderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode FileOnlyMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private const UnixFileMode OfOthers = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>Creates a folder and whatever is missing above it; one that is there keeps its mode.</summary>
    /// <exception cref="IOException">It cannot be created.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not.</exception>
    public static void CreateFolder(string path)
    {
        var whole = Path.GetFullPath(path);
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(whole);
            return;
        }

        if (Directory.Exists(whole))
        {
            return;
        }

        if (Path.GetDirectoryName(whole) is { } above)
        {
            CreateFolder(above);
        }

        Directory.CreateDirectory(whole, FolderMode);
    }

    /// <summary>Opens a file for writing; where that creates it, for its owner alone.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="mode">Whether it may be there.</param>
    /// <param name="access">What it is opened for.</param>
    /// <param name="share">What others may do with it meanwhile.</param>
    /// <param name="bufferSize">Bytes of the stream's buffer; 0: none.</param>
    /// <param name="options">How it is opened.</param>
    public static FileStream Open(string path, FileMode mode, FileAccess access, FileShare share, int bufferSize, FileOptions options = FileOptions.None)
    {
        var how = new FileStreamOptions { Mode = mode, Access = access, Share = share, BufferSize = bufferSize, Options = options };
        if (!OperatingSystem.IsWindows() && mode is FileMode.Create or FileMode.CreateNew or FileMode.OpenOrCreate)
        {
            how.UnixCreateMode = FileOnlyMode;
        }

        return new FileStream(path, how);
    }

    /// <summary>Whether others than its owner can do anything with a folder.</summary>
    public static bool IsOpenToOthers(string folder) =>
        !OperatingSystem.IsWindows() && Directory.Exists(folder) && (File.GetUnixFileMode(folder) & OfOthers) != 0;

    /// <summary>
    /// Closes a folder that belongs to Levee alone, with all that lies in it: an earlier version left them open. The folder itself comes last, so that a run that was interrupted is repeated; where it is closed already,
    /// nothing below can be reached and nothing is looked at.
    /// </summary>
    /// <exception cref="UnauthorizedAccessException">Something in it belongs to another user.</exception>
    public static void Close(string folder)
    {
        if (!OperatingSystem.IsWindows() && IsOpenToOthers(folder))
        {
            CloseAll(new DirectoryInfo(folder));
        }
    }

    /// <summary>Links are left: what they lead to is not Levee's.</summary>
    [UnsupportedOSPlatform("windows")]
    private static void CloseAll(DirectoryInfo folder)
    {
        foreach (var below in folder.EnumerateFileSystemInfos().Where(static below => below.LinkTarget is null))
        {
            if (below is DirectoryInfo inner)
            {
                CloseAll(inner);
            }
            else
            {
                below.UnixFileMode = FileOnlyMode;
            }
        }

        folder.UnixFileMode = FolderMode;
    }
}
