using Levee.Hosting;
using Levee.Orleans.Grains;
using Orleans.Concurrency;

namespace Levee.Orleans.Silo;

/// <summary>The frozen copy of a partition on another silo.</summary>
internal sealed class PortSource(ISiloPort port, string cache, int partition, long epoch) : IPartitionSource
{
    /// <inheritdoc/>
    public async ValueTask<byte[]> ReadChunkAsync(long position, CancellationToken cancellation) => (await port.ReadChunk(cache, partition, epoch, position).AsTask().WaitAsync(cancellation)).Value;

    /// <inheritdoc/>
    public async ValueTask<byte[]> ReadKeyAsync(byte[] key, int offset, CancellationToken cancellation) =>
        (await port.ReadKey(cache, partition, epoch, new Immutable<byte[]>(key), offset).AsTask().WaitAsync(cancellation)).Value;

    /// <inheritdoc/>
    public ValueTask DropAsync() => port.Drop(cache, partition, epoch);
}
