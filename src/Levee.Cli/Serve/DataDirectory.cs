namespace Levee.Cli.Serve;

/// <summary>A server's own folder, locked against a second server while it runs.</summary>
internal static class DataDirectory
{
    private const string LockFile = "levee.lock";

    /// <summary>Creates the folder where it is absent and locks it.</summary>
    /// <returns>The lock; null where no folder was named.</returns>
    public static IDisposable? Lock(string folder)
    {
        if (folder.Length == 0)
        {
            return null;
        }

        try
        {
            Directory.CreateDirectory(folder);
            return new FileStream(Path.Combine(folder, LockFile), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{ServeOption.DataDir.Flag} {folder} cannot be used: {failure.Message} Is another server running on it?");
        }
    }
}
