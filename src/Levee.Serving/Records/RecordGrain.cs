using Orleans.Concurrency;

namespace Levee.Serving.Records;

/// <summary>The records as the other silos of localhost clustering reach them: on the first silo, which keeps them.</summary>
[Alias("levee.records")]
internal interface IRecordGrain : IGrainWithIntegerKey
{
    /// <summary>A record; null where there is none.</summary>
    [Alias("read")]
    ValueTask<RecordReply?> Read(string name);

    /// <summary>Writes a record, as <see cref="RecordStore.TryWrite"/> has it.</summary>
    [Alias("write")]
    ValueTask<string?> TryWrite(string name, byte[] data, string? etag);

    /// <summary>Removes a record, as <see cref="RecordStore.TryRemove"/> has it.</summary>
    [Alias("remove")]
    ValueTask<bool> TryRemove(string name, string? etag);
}

/// <summary>A record on its way to another silo.</summary>
[GenerateSerializer, Immutable, Alias("levee.record")]
internal sealed record RecordReply([property: Id(0)] string ETag, [property: Id(1)] byte[] Data);

/// <summary>The shell around the first silo's <see cref="RecordStore"/>.</summary>
[KeepAlive, Reentrant, FirstSiloPlacement]
internal sealed class RecordGrain(RecordStore store) : Grain, IRecordGrain
{
    public ValueTask<RecordReply?> Read(string name) => new(store.Read(name) is { } record ? new RecordReply(record.ETag, record.Data) : null);

    public ValueTask<string?> TryWrite(string name, byte[] data, string? etag) => new(store.TryWrite(name, data, etag));

    public ValueTask<bool> TryRemove(string name, string? etag) => new(store.TryRemove(name, etag));
}
