using System.Text;
using Levee.Clustering;
using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Clustering;

public sealed class BatchRouterTests
{
    [Fact]
    public async Task A_set_and_a_get_go_there_and_back()
    {
        await using var rig = new RouterRig();
        var set = RouterRig.SetOf("key", "value");
        set.Flags = 7;
        set.ContentType = "text/plain"u8;
        set.Tags = TestBed.Pack("red", "blue");
        set.ExpiresAt = rig.Time.GetTimestamp() + 10_000;
        set.SlidingMs = 5000;
        var stored = await rig.Do(set);
        Assert.Equal(Outcome.Stored, stored.Outcome);
        Assert.Equal("value", Encoding.Latin1.GetString(stored.Entry!.Value));
        Assert.Equal("key", stored.Entry.Key);

        var got = await rig.Get("key");
        Assert.Equal(Outcome.Hit, got.Outcome);
        Assert.Equivalent(stored.Entry, got.Entry, strict: true);
        Assert.Equal(7u, got.Entry!.Flags);
        Assert.Equal("text/plain", got.Entry.ContentType);
        Assert.Equal(5000, got.Entry.SlidingMs);

        Assert.Equal(Outcome.Miss, (await rig.Get("other")).Outcome);
        Assert.Equal(3, rig.Router.Statistics.Operations);
        Assert.Equal(0, rig.Targets[0].Server.Statistics.Batches);
    }

    [Theory]
    [InlineData(10_000)]
    [InlineData(200_000)]
    [InlineData(BatchLimits.PieceBytes * 3)]
    public async Task A_large_value_goes_there_and_back_in_pieces(int length)
    {
        await using var rig = new RouterRig();
        var value = new byte[length];
        new Random(1).NextBytes(value);
        var set = TestBed.On("key", OperationKind.Set);
        set.Large = rig.Larges.TryCreate(value)!;
        var stored = await rig.Do(set);
        Assert.Equal(Outcome.Stored, stored.Outcome);
        Assert.Equal(value, stored.Entry!.Value);
        Assert.Equal(0, rig.Arena.RentedPages); // The reference was taken over and let go.

        var got = await rig.Get("key");
        Assert.Equal(value, got.Entry!.Value);
        Assert.Equal(0, rig.Arena.RentedPages);
        Assert.Equal(new BatchServerStatistics(0, 0, 0, 0), rig.Targets[0].Server.Statistics);
    }
}
