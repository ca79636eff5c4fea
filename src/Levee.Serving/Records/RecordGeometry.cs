using System.Globalization;
using Levee.Orleans.Grains;
using Orleans.Serialization;

namespace Levee.Serving.Records;

/// <summary>The form in which values lie in records.</summary>
internal interface IRecordCodec
{
    /// <summary>Reads a value.</summary>
    T Read<T>(byte[] data);

    /// <summary>Writes a value.</summary>
    byte[] Write<T>(T value);
}

/// <summary>Orleans' own form, which <see cref="FirstSiloStorage"/> uses.</summary>
internal sealed class SerializerCodec(Serializer serializer) : IRecordCodec
{
    public T Read<T>(byte[] data) => serializer.Deserialize<T>(data) ?? throw new FormatException($"A record of {typeof(T).Name} holds nothing.");

    public byte[] Write<T>(T value) => serializer.SerializeToArray(value);
}

/// <summary>
/// Adapts the records to another number of partitions. In a cluster the number is fixed for good; a first silo that starts alone may have been given more memory or another option since it stopped.
/// Where all that a cache had was this node's, it still is: the tiers find their entries whatever the partitions. Else nothing is known of the new partitions, and they begin empty.
/// </summary>
internal static class RecordGeometry
{
    private const string Owners = "owner/";
    private const string Configurations = "configuration/";

    /// <summary>Adapts the records of one cache; no silo runs yet.</summary>
    /// <param name="store">The records.</param>
    /// <param name="codec">Their form.</param>
    /// <param name="cache">The cache's name.</param>
    /// <param name="partitions">How many partitions it has from now on.</param>
    /// <param name="node">This silo's lasting name.</param>
    /// <returns>The number of partitions before, where that was another and there were any; else null.</returns>
    public static int? Adapt(RecordStore store, IRecordCodec codec, string cache, int partitions, string node)
    {
        var configurationName = store.Names.FirstOrDefault(name => name.StartsWith(Configurations, StringComparison.Ordinal) && KeyOf(name) == cache);
        if (configurationName is null || store.Read(configurationName) is not { } stored)
        {
            return null;
        }

        var configuration = codec.Read<CacheConfiguration>(stored.Data);
        var before = configuration.Partitions;
        if (before == partitions || before == 0)
        {
            return null;
        }

        var owners = OwnersOf(store, cache);
        var known = owners.Where(owner => owner.Partition < before).Select(owner => codec.Read<Ownership>(owner.Record.Data)).ToList();
        var isAllHere = known.Count == before && known.All(owner => owner.Node == node && owner.Predecessors.Count == 0);
        foreach (var owner in owners)
        {
            store.TryRemove(owner.Name, owner.Record.ETag);
        }

        if (isAllHere)
        {
            var prefix = owners[0].Name[..^owners[0].Partition.ToString(CultureInfo.InvariantCulture).Length];
            var data = codec.Write(new Ownership { Epoch = known.Max(owner => owner.Epoch), Silo = known[0].Silo, Node = node });
            for (var partition = 0; partition < partitions; partition++)
            {
                store.TryWrite(prefix + partition.ToString(CultureInfo.InvariantCulture), data, etag: null);
            }
        }

        store.TryWrite(configurationName, codec.Write(configuration with { Partitions = partitions, Version = configuration.Version + 1 }), stored.ETag);
        return before;
    }

    private static List<(string Name, int Partition, StoredRecord Record)> OwnersOf(RecordStore store, string cache) =>
    [
        .. from name in store.Names
           where name.StartsWith(Owners, StringComparison.Ordinal)
           let key = PartitionKey.Parse(KeyOf(name))
           where key.Cache == cache
           orderby key.Partition
           select (name, key.Partition, store.Read(name)!.Value),
    ];

    /// <summary>A name is state/type/key.</summary>
    private static string KeyOf(string name) => name[(name.IndexOf('/', name.IndexOf('/', StringComparison.Ordinal) + 1) + 1)..];
}
