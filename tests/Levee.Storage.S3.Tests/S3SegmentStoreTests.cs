using Levee.Tiers.Stores;
using Levee.Tiers.Tests.Stores;
using Xunit;

namespace Levee.Storage.S3.Tests;

/// <summary>The contract, and what it costs, against s3rver.</summary>
public sealed class S3SegmentStoreTests(S3Server server) : SegmentStoreContract
{
    private readonly string run = Guid.NewGuid().ToString("N");

    protected override bool KeepsFolders => true;

    [Fact]
    public async Task A_write_is_one_put_and_a_read_one_ranged_get()
    {
        await using var store = await OpenAsync("cost");
        var bytes = Bytes(3 << 20);
        await WriteAsync(store, "segment", bytes);
        Assert.Equal(bytes[1_000_000..1_065_536], await ReadAsync(store, "segment", 1_000_000, 65_536));
        Assert.Null(await ReadAsync(store, "segment-none", 0, 10));
        await store.DeleteAsync("segment", Cancellation);
        var requests = await server.RequestsAsync($"{run}/cost/segment", 4, Cancellation);
        Assert.Collection(
            requests,
            line => Assert.Matches(@"PUT .*segment.* 200\b", line),
            line => Assert.Matches(@"GET .*segment.* 206\b", line),
            line => Assert.Matches(@"GET .*segment-none.* 404\b", line),
            line => Assert.Matches(@"DELETE .*segment.* 204\b", line));
    }

    [Fact]
    public async Task A_segment_of_64_MiB_is_one_put_too()
    {
        await using var store = await OpenAsync("large");
        var bytes = Bytes(64 << 20);
        await WriteAsync(store, "segment", bytes);
        Assert.Equal(bytes[^100_000..], await ReadAsync(store, "segment", bytes.Length - 100_000, 200_000));
        Assert.Equal(2, (await server.RequestsAsync($"{run}/large/segment", 2, Cancellation)).Length);
    }

    [Fact]
    public async Task A_bucket_that_is_not_there_is_said_so_at_its_first_use()
    {
        await using var store = new S3SegmentStore(S3StoreOptions.Parse($"s3://no-such-bucket/x?endpoint={await server.AddressAsync(Cancellation)}"));
        foreach (var use in new Func<Task>[]
        {
            () => WriteAsync(store, "segment", Bytes(10)),
            () => store.ReadAsync("segment", 0, new byte[10], Cancellation).AsTask(),
            () => ListAsync(store, ""),
        })
        {
            var refusal = await Assert.ThrowsAsync<IOException>(use);
            Assert.Contains("there is no bucket 'no-such-bucket'", refusal.Message, StringComparison.Ordinal);
            Assert.Contains("NoSuchBucket", refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_prefix_may_be_empty()
    {
        await using var store = new S3SegmentStore(S3StoreOptions.Parse($"s3://{S3Server.Bucket}?endpoint={await server.AddressAsync(Cancellation)}"));
        var bytes = Bytes(10);
        await WriteAsync(store, $"root-{run}", bytes);
        Assert.Equal(bytes, await ReadAsync(store, $"root-{run}", 0, 10));
        Assert.Equal([($"root-{run}", 10L)], await ListAsync(store, $"root-{run}"));
    }

    protected override async Task<ISegmentStore> OpenAsync(string space) => new S3SegmentStore(S3StoreOptions.Parse(await server.UriAsync($"{run}/{space}", Cancellation)));
}
