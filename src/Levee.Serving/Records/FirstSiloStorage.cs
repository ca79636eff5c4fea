using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime.Hosting;
using Orleans.Serialization;
using Orleans.Storage;

namespace Levee.Serving.Records;

/// <summary>
/// The grain storage of localhost clustering: the first silo keeps the records in its data directory, the others ask it. The first silo reaches them without a grain call,
/// so it can write them while it starts and until it has stopped.
/// </summary>
internal sealed class FirstSiloStorage(IRecordCodec codec, RecordStore? store, IGrainFactory grains) : IGrainStorage
{
    private readonly IRecordGrain remote = grains.GetGrain<IRecordGrain>(0);

    /// <summary>Adds it to a silo.</summary>
    /// <param name="silo">The silo.</param>
    /// <param name="storageName">What the storage is called.</param>
    /// <param name="store">The records, on the first silo; on the others they are not used.</param>
    /// <param name="first">Where the first silo is; null: this is it.</param>
    public static void Add(ISiloBuilder silo, string storageName, RecordStore store, IPEndPoint? first)
    {
        silo.Services.AddSingleton(store);
        silo.Services.AddPlacementDirector<FirstSiloPlacement>(services => new FirstSiloPlacementDirector(first ?? services.GetRequiredService<ILocalSiloDetails>().SiloAddress.Endpoint));
        silo.Services.AddGrainStorage(storageName, (services, _) =>
            new FirstSiloStorage(new SerializerCodec(services.GetRequiredService<Serializer>()), first is null ? store : null, services.GetRequiredService<IGrainFactory>()));
    }

    /// <summary>What a state of a grain is called.</summary>
    public static string NameOf(string state, GrainId grain) => $"{state}/{grain}";

    /// <inheritdoc/>
    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var name = NameOf(stateName, grainId);
        var found = store is not null ? store.Read(name) : await remote.Read(name) is { } reply ? new StoredRecord(reply.ETag, reply.Data) : null;
        if (found is { } record)
        {
            (grainState.State, grainState.ETag, grainState.RecordExists) = (codec.Read<T>(record.Data), record.ETag, true);
        }
        else
        {
            (grainState.State, grainState.ETag, grainState.RecordExists) = (Activator.CreateInstance<T>(), null, false);
        }
    }

    /// <inheritdoc/>
    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var name = NameOf(stateName, grainId);
        var data = codec.Write(grainState.State);
        var written = store is not null ? store.TryWrite(name, data, grainState.ETag) : await remote.TryWrite(name, data, grainState.ETag);
        grainState.ETag = written ?? throw Changed(name, grainState.ETag);
        grainState.RecordExists = true;
    }

    /// <inheritdoc/>
    public async Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var name = NameOf(stateName, grainId);
        if (!(store is not null ? store.TryRemove(name, grainState.ETag) : await remote.TryRemove(name, grainState.ETag)))
        {
            throw Changed(name, grainState.ETag);
        }

        (grainState.State, grainState.ETag, grainState.RecordExists) = (Activator.CreateInstance<T>(), null, false);
    }

    private static InconsistentStateException Changed(string name, string? etag) =>
        new($"The record {name} was changed by somebody else since it was read with the tag {etag ?? "none"}.");
}
