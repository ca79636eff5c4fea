using System.Collections.Concurrent;
using System.Text.Json;
using Orleans;
using Orleans.Runtime;
using Orleans.Storage;

namespace Levee.Orleans.Tests;

/// <summary>Grain storage that all silos of a test share and that outlives each of them, with ETags, as a database would be.</summary>
public sealed class SharedGrainStorage : IGrainStorage
{
    private readonly ConcurrentDictionary<string, (string ETag, string Json)> records = new(StringComparer.Ordinal);

    /// <summary>Called before each write with the record's name; throws to make the write fail.</summary>
    public Action<string>? BeforeWrite { get; set; }

    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        if (records.TryGetValue(NameOf(stateName, grainId), out var record))
        {
            grainState.State = JsonSerializer.Deserialize<T>(record.Json)!;
            grainState.ETag = record.ETag;
            grainState.RecordExists = true;
        }
        else
        {
            grainState.State = Activator.CreateInstance<T>();
            grainState.ETag = null!;
            grainState.RecordExists = false;
        }

        return Task.CompletedTask;
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var name = NameOf(stateName, grainId);
        BeforeWrite?.Invoke(name);
        var next = (Guid.NewGuid().ToString("N"), JsonSerializer.Serialize(grainState.State));
        lock (records)
        {
            var present = records.TryGetValue(name, out var record) ? record.ETag : null;
            if (present != grainState.ETag)
            {
                throw new InconsistentStateException($"{name} was changed by another", present, grainState.ETag);
            }

            records[name] = next;
        }

        grainState.ETag = next.Item1;
        grainState.RecordExists = true;
        return Task.CompletedTask;
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        records.TryRemove(NameOf(stateName, grainId), out _);
        grainState.ETag = null!;
        grainState.RecordExists = false;
        return Task.CompletedTask;
    }

    private static string NameOf(string stateName, GrainId grainId) => $"{stateName}/{grainId}";
}
