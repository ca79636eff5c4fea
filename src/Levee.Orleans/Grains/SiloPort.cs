using Levee.Orleans.Silo;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime.Services;

namespace Levee.Orleans.Grains;

/// <summary>This silo's port: translates calls, nothing else.</summary>
internal sealed class SiloPort(GrainId id, global::Orleans.Runtime.Silo silo, ILoggerFactory logs, IServiceProvider services) : GrainService(id, silo, logs), ISiloPort
{
    private LeveeSilo? levee;

    private LeveeSilo Levee => levee ??= services.GetRequiredService<LeveeSilo>();

    public ValueTask<Immutable<byte[]>> Execute(string cache, Immutable<byte[]> request) => PackedReply.Of(Levee.CacheNamed(cache).Server.ExecuteAsync(request.Value, TimeSpan.Zero));

    public ValueTask<Immutable<byte[]>> Collect(string cache, long batch) => PackedReply.Of(Levee.CacheNamed(cache).Server.CollectAsync(batch));

    public ValueTask<Immutable<byte[]>> ReadLarge(string cache, long number, int offset) => new(new Immutable<byte[]>(Levee.CacheNamed(cache).Server.ReadLarge(number, offset)));

    public ValueTask WriteLarge(string cache, long number, int length, int offset, Immutable<byte[]> piece)
    {
        Levee.CacheNamed(cache).Server.WriteLarge(number, length, offset, piece.Value);
        return ValueTask.CompletedTask;
    }

    public async ValueTask<StoppedPartition> Freeze(string cache, int partition, long epoch) => await Levee.CacheNamed(cache).Claims.FreezeAsync(partition, epoch);

    public ValueTask<Immutable<byte[]>> ReadChunk(string cache, int partition, long epoch, long position) => new(new Immutable<byte[]>(Levee.CacheNamed(cache).Local.ReadChunk(partition, epoch, position)));

    public ValueTask<Immutable<byte[]>> ReadKey(string cache, int partition, long epoch, Immutable<byte[]> key, int offset) => PackedReply.Of(Levee.CacheNamed(cache).Local.ReadKeyAsync(partition, epoch, key.Value, offset));

    public ValueTask Drop(string cache, int partition, long epoch)
    {
        Levee.CacheNamed(cache).Local.Drop(partition, epoch);
        return ValueTask.CompletedTask;
    }

    public ValueTask Draining(SiloAddress stopping)
    {
        Levee.View.Drains(stopping);
        return ValueTask.CompletedTask;
    }

    public ValueTask Configure(string cache, CacheConfiguration configuration)
    {
        Levee.CacheNamed(cache).Configure(configuration);
        return ValueTask.CompletedTask;
    }
}

/// <summary>Reaches the ports of silos by address.</summary>
internal sealed class SiloPortClient(IServiceProvider services) : GrainServiceClient<ISiloPort>(services)
{
    /// <summary>The port of a silo.</summary>
    public ISiloPort To(SiloAddress silo) => GetGrainService(silo);
}
