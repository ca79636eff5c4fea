namespace Levee.Tiers;

/// <summary>A folder that belongs to one process while it is locked.</summary>
public static class FolderLock
{
    private const string LockFile = "levee.lock";

    /// <summary>Creates the folder where it is absent and locks it until the lock is disposed or the process ends.</summary>
    /// <exception cref="TierException">It cannot be created or written, or another process has it.</exception>
    public static IDisposable Take(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var path = Path.Combine(folder, LockFile);
        try
        {
            PrivateFiles.CreateFolder(folder);
            return PrivateFiles.Open(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (UnauthorizedAccessException denied)
        {
            throw new TierException($"{folder} cannot be written: {denied.Message} Give a folder that this user can write.", denied);
        }
        catch (IOException failure) when (!Directory.Exists(folder))
        {
            throw new TierException($"the folder {folder} is not there and cannot be made: {failure.Message} Give one that this user can write, or whose parent he can.", failure);
        }
        catch (IOException failure)
        {
            throw new TierException(
                File.Exists(path) ? $"{folder} is in use by another process, which has {LockFile} open. Give each process a folder of its own." : $"{folder} cannot be used: {failure.Message}", failure);
        }
    }
}
