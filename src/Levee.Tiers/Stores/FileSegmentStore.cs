using System.Runtime.CompilerServices;

namespace Levee.Tiers.Stores;

/// <summary>
/// Objects as files below a folder: a name's '/' become subfolders. A file that is on the same volume already is renamed, not copied; any other is copied to a temporary name first. What the system has in its page cache is
/// read at once, without a thread to wait on.
/// </summary>
public sealed class FileSegmentStore : ISegmentStore
{
    private const string TemporarySuffix = ".tmp";
    private readonly string folder;
    private readonly OpenHandles handles;
    private readonly IDisposable? claim;

    /// <param name="folder">The folder; it is created where it does not exist.</param>
    /// <param name="maxOpenFiles">How many files are kept open for reading.</param>
    /// <param name="claim">What keeps the folder from other processes, where that is the store's to end; disposed of with it.</param>
    /// <exception cref="TierException">The folder cannot be created.</exception>
    public FileSegmentStore(string folder, int maxOpenFiles = 256, IDisposable? claim = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxOpenFiles, 1);
        this.folder = Path.GetFullPath(folder);
        this.claim = claim;
        handles = new OpenHandles(maxOpenFiles);
        try
        {
            PrivateFiles.CreateFolder(this.folder);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new TierException($"The folder {this.folder} for segments cannot be created: {failure.Message} Give one that can be written.", failure);
        }
    }

    /// <inheritdoc/>
    public string Kind => "file";

    /// <inheritdoc/>
    public string Location => folder;

    /// <inheritdoc/>
    public async Task WriteAsync(string name, SegmentContent content, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(content);
        cancellation.ThrowIfCancellationRequested();
        var path = PathOf(name);
        try
        {
            PrivateFiles.CreateFolder(Path.GetDirectoryName(path)!);
            if (!TryRename(content, path))
            {
                await CopyAsync(content, path, cancellation).ConfigureAwait(false);
            }
        }
        catch (UnauthorizedAccessException failure)
        {
            throw new IOException($"{path} cannot be written: {failure.Message} The folder must be writable for this process.", failure);
        }

        handles.Forget(name);
    }

    /// <inheritdoc/>
    public ValueTask<int> ReadAsync(string name, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellation);
        }

        while (true)
        {
            OpenHandles.Opened file;
            try
            {
                file = handles.Get(name, PathOf(name));
            }
            catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
            {
                return ValueTask.FromResult(-1);
            }
            catch (UnauthorizedAccessException failure)
            {
                return ValueTask.FromException<int>(new IOException($"{PathOf(name)} cannot be read: {failure.Message} The folder must be readable for this process.", failure));
            }
            catch (IOException failure)
            {
                return ValueTask.FromException<int>(failure);
            }

            var wanted = (int)Math.Clamp(file.Length - offset, 0, destination.Length);
            try
            {
                return wanted == 0 ? ValueTask.FromResult(0)
                    : CachedRead.TryRead(file.Handle, offset, destination.Span[..wanted]) ? ValueTask.FromResult(wanted)
                    : ReadWholeAsync(file, offset, destination[..wanted], cancellation);
            }
            catch (ObjectDisposedException)
            {
                // It left the bounded set of open files in between: it is opened again.
            }
        }
    }

    /// <inheritdoc/>
    public Task DeleteAsync(string name, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var path = PathOf(name);
        handles.Forget(name);
        try
        {
            File.Delete(path);
        }
        catch (DirectoryNotFoundException)
        {
        }
        catch (UnauthorizedAccessException failure)
        {
            throw new IOException($"{path} cannot be deleted: {failure.Message} The folder must be writable for this process.", failure);
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<StoredSegment> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        await Task.CompletedTask.ConfigureAwait(false);
        var under = Path.Combine(folder, prefix[..(prefix.LastIndexOf('/') + 1)]);
        cancellation.ThrowIfCancellationRequested();
        if (!Directory.Exists(under))
        {
            yield break;
        }

        foreach (var file in new DirectoryInfo(under).EnumerateFiles("*", SearchOption.AllDirectories))
        {
            cancellation.ThrowIfCancellationRequested();
            var name = Path.GetRelativePath(folder, file.FullName).Replace(Path.DirectorySeparatorChar, '/');
            if (name.StartsWith(prefix, StringComparison.Ordinal) && !name.EndsWith(TemporarySuffix, StringComparison.Ordinal) && file.Exists)
            {
                yield return new StoredSegment(name, file.Length, file.LastWriteTimeUtc);
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        handles.Dispose();
        claim?.Dispose();
        return ValueTask.CompletedTask;
    }

    private static async ValueTask<int> ReadWholeAsync(OpenHandles.Opened file, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        var read = 0;
        while (read < destination.Length)
        {
            var count = await RandomAccess.ReadAsync(file.Handle, destination[read..], offset + read, cancellation).ConfigureAwait(false);
            if (count == 0)
            {
                break;
            }

            read += count;
        }

        return read;
    }

    /// <returns>False where the file is on another volume.</returns>
    private static bool TryRename(SegmentContent content, string path)
    {
        using (var file = File.OpenHandle(content.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete))
        {
            RandomAccess.SetLength(file, content.Length);
        }

        return SameVolume.TryRename(content.Path, path);
    }

    private static async Task CopyAsync(SegmentContent content, string path, CancellationToken cancellation)
    {
        var temporary = path + TemporarySuffix;
        try
        {
            var from = content.Open();
            await using (from.ConfigureAwait(false))
            {
                var to = PrivateFiles.Open(temporary, FileMode.Create, FileAccess.Write, FileShare.None, 64 * 1024, FileOptions.Asynchronous);
                await using (to.ConfigureAwait(false))
                {
                    await from.CopyToAsync(to, cancellation).ConfigureAwait(false);
                    to.SetLength(content.Length);
                }
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    private string PathOf(string name)
    {
        SegmentName.Check(name);
        return Path.Combine(folder, name);
    }
}
