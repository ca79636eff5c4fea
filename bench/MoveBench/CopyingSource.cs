using Levee.Hosting;

namespace Levee.MoveBench;

/// <summary>A frozen copy in another host of this process, behind what a call costs at least: a turn of the thread pool, and a copy of the bytes.</summary>
internal sealed class CopyingSource(LockHost host, int partition, long epoch) : IPartitionSource
{
    public async ValueTask<byte[]> ReadChunkAsync(long position, CancellationToken cancellation)
    {
        await Task.Yield();
        return host.ReadChunk(partition, epoch, position).AsSpan().ToArray();
    }

    public async ValueTask<byte[]> ReadKeyAsync(byte[] key, int offset, CancellationToken cancellation)
    {
        await Task.Yield();
        return (await host.ReadKeyAsync(partition, epoch, key, offset)).AsSpan().ToArray();
    }

    public async ValueTask DropAsync()
    {
        await Task.Yield();
        host.Drop(partition, epoch);
    }
}
