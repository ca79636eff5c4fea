namespace Levee.Hosting;

/// <summary>
/// The frozen copy of a partition in the silo that it comes from: what a host asks while the partition arrives. Safe for threads; a call may be made again where it failed.
/// Messages are made and read by <see cref="LockHost"/> alone.
/// </summary>
public interface IPartitionSource
{
    /// <summary>What <see cref="LockHost.ReadChunk"/> of the other host returns.</summary>
    /// <param name="position">Chunks are counted from 0.</param>
    /// <param name="cancellation">Ends the wait.</param>
    ValueTask<byte[]> ReadChunkAsync(long position, CancellationToken cancellation);

    /// <summary>What <see cref="LockHost.ReadKeyAsync"/> of the other host returns.</summary>
    /// <param name="key">The key.</param>
    /// <param name="offset">0 for the entry; else where in its large value to go on.</param>
    /// <param name="cancellation">Ends the wait.</param>
    ValueTask<byte[]> ReadKeyAsync(byte[] key, int offset, CancellationToken cancellation);

    /// <summary>Calls <see cref="LockHost.Drop"/> of the other host: the copy is not needed any more.</summary>
    ValueTask DropAsync();
}
