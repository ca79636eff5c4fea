using Levee.Orleans.Grains;
using Levee.Serving.Records;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;
using Orleans.Serialization;
using Xunit;

namespace Levee.Serving.Tests.Records;

/// <summary>A first silo that starts alone with another number of partitions.</summary>
public sealed class RecordGeometryTests : IDisposable
{
    private readonly ServiceProvider services = new ServiceCollection().AddSerializer().BuildServiceProvider();
    private readonly RecordStore store = new();
    private readonly SerializerCodec codec;

    public RecordGeometryTests() => codec = new SerializerCodec(services.GetRequiredService<Serializer>());

    public void Dispose() => services.Dispose();

    [Theory]
    [InlineData(4, 16)]
    [InlineData(16, 4)]
    [InlineData(2, 1)]
    public void What_was_all_of_this_node_stays_its_own(int before, int now)
    {
        Given(before, _ => new Ownership { Epoch = 7, Silo = "old", Node = "here" });
        Assert.Equal(before, RecordGeometry.Adapt(store, codec, "default", now, "here"));
        Assert.Equal(now, Configuration().Partitions);
        var owners = Enumerable.Range(0, now).Select(Owner).ToList();
        Assert.All(owners, owner => Assert.Equal((7, "old", "here", 0), (owner!.Epoch, owner.Silo, owner.Node, owner.Predecessors.Count)));
        Assert.Null(Owner(now));
        Assert.Equal(now, store.Names.Count(name => name.Contains("/default/", StringComparison.Ordinal)));
        Assert.Null(RecordGeometry.Adapt(store, codec, "default", now, "here"));
    }

    [Fact]
    public void The_highest_epoch_goes_on()
    {
        Given(4, partition => new Ownership { Epoch = partition, Silo = "old", Node = "here" });
        RecordGeometry.Adapt(store, codec, "default", 2, "here");
        Assert.Equal(3, Owner(0)!.Epoch);
    }

    public static TheoryData<string> Others => ["another node", "a claim that was broken off", "a partition without an owner"];

    [Theory]
    [MemberData(nameof(Others))]
    public void What_another_node_may_have_had_is_not_known(string what)
    {
        Given(4, partition => partition != 2 ? new Ownership { Epoch = 1, Silo = "old", Node = "here" }
            : what == "another node" ? new Ownership { Epoch = 1, Silo = "other", Node = "there" }
            : what == "a claim that was broken off" ? new Ownership { Epoch = 2, Silo = "old", Node = "here", Predecessors = ["other"] }
            : null);
        Assert.Equal(4, RecordGeometry.Adapt(store, codec, "default", 8, "here"));
        Assert.All(Enumerable.Range(0, 8), partition => Assert.Null(Owner(partition)));
        Assert.Equal(8, Configuration().Partitions);
    }

    [Fact]
    public void Other_caches_are_left_alone()
    {
        Given(4, _ => new Ownership { Epoch = 1, Silo = "old", Node = "here" }, "pages");
        Given(4, _ => new Ownership { Epoch = 1, Silo = "old", Node = "here" });
        RecordGeometry.Adapt(store, codec, "default", 8, "here");
        Assert.Equal(4, store.Names.Count(name => name.Contains("/pages/", StringComparison.Ordinal)));
        Assert.Null(RecordGeometry.Adapt(store, codec, "unknown", 8, "here"));
    }

    private void Given(int partitions, Func<int, Ownership?> owner, string cache = "default")
    {
        store.TryWrite(FirstSiloStorage.NameOf("configuration", GrainId.Create("cache", cache)), codec.Write(new CacheConfiguration { Version = 3, Partitions = partitions }), null);
        for (var partition = 0; partition < partitions; partition++)
        {
            if (owner(partition) is { } state)
            {
                store.TryWrite(NameOf(cache, partition), codec.Write(state), null);
            }
        }
    }

    private static string NameOf(string cache, int partition) => FirstSiloStorage.NameOf("owner", GrainId.Create("cachepartition", PartitionKey.Of(cache, partition)));

    private Ownership? Owner(int partition) => store.Read(NameOf("default", partition)) is { } record ? codec.Read<Ownership>(record.Data) : null;

    private CacheConfiguration Configuration() => codec.Read<CacheConfiguration>(store.Read("configuration/cache/default")!.Value.Data);
}
