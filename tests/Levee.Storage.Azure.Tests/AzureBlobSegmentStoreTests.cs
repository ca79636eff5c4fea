using Levee.Tiers;
using Levee.Tiers.Stores;
using Levee.Tiers.Tests.Stores;
using Xunit;

namespace Levee.Storage.Azure.Tests;

/// <summary>The contract, and what it costs, against Azurite.</summary>
public sealed class AzureBlobSegmentStoreTests(AzuriteServer server) : SegmentStoreContract
{
    private readonly string run = Guid.NewGuid().ToString("N");

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
            line => Assert.Matches("\"PUT .*segment.*\" 201\\b", line),
            line => Assert.Matches("\"GET .*segment.*\" 206\\b", line),
            line => Assert.Matches("\"GET .*segment-none.*\" 404\\b", line),
            line => Assert.Matches("\"DELETE .*segment.*\" 202\\b", line));
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
    public async Task A_container_that_is_not_there_is_said_so_at_its_first_use()
    {
        await server.StartAsync(Cancellation);
        await using var store = new AzureBlobSegmentStore(AzureBlobStoreOptions.Parse($"azblob://{AzuriteServer.Account}/no-such-container/x?endpoint={server.Address}"), server.Environment);
        foreach (var use in new Func<Task>[]
        {
            () => WriteAsync(store, "segment", Bytes(10)),
            () => store.ReadAsync("segment", 0, new byte[10], Cancellation).AsTask(),
            () => store.DeleteAsync("segment", Cancellation),
            () => ListAsync(store, ""),
        })
        {
            var refusal = await Assert.ThrowsAsync<IOException>(use);
            Assert.Contains("there is no container 'no-such-container' (ContainerNotFound, 404)", refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_wrong_key_is_said_to_be_wrong_and_not_repeated()
    {
        await server.StartAsync(Cancellation);
        var key = Convert.ToBase64String(Bytes(64));
        await using var store = new AzureBlobSegmentStore(
            AzureBlobStoreOptions.Parse($"azblob://{AzuriteServer.Account}/{AzuriteServer.Container}/x?endpoint={server.Address}"), name => name == "AZURE_STORAGE_KEY" ? key : null);
        var refusal = await Assert.ThrowsAsync<IOException>(() => ReadAsync(store, "segment", 0, 10));
        Assert.Contains("403", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(key, refusal.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_string_is_used_where_there_is_one()
    {
        await server.StartAsync(Cancellation);
        await using var store = new AzureBlobSegmentStore(
            AzureBlobStoreOptions.Parse($"azblob://{AzuriteServer.Account}/{AzuriteServer.Container}/{run}"), name => name == "AZURE_STORAGE_CONNECTION_STRING" ? server.ConnectionString : null);
        var bytes = Bytes(100);
        await WriteAsync(store, "segment", bytes);
        Assert.Equal(bytes, await ReadAsync(store, "segment", 0, 100));
    }

    [Theory]
    [InlineData("nonsense-secretword", "is not a connection string")]
    [InlineData("DefaultEndpointsProtocol=https;AccountName=other;AccountKey=c2VjcmV0d29yZA==", "is another account's ('other')")]
    public void A_connection_string_that_cannot_be_right_is_refused_and_not_repeated(string connection, string words)
    {
        var refusal = Assert.Throws<TierException>(() => new AzureBlobSegmentStore(
            AzureBlobStoreOptions.Parse("azblob://account/container"), name => name == "AZURE_STORAGE_CONNECTION_STRING" ? connection : null));
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secretword", refusal.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("c2VjcmV0", refusal.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_that_is_none_and_tokens_over_http_are_refused()
    {
        Assert.Contains("AZURE_STORAGE_KEY", Assert.Throws<TierException>(() => new AzureBlobSegmentStore(
            AzureBlobStoreOptions.Parse("azblob://account/container"), name => name == "AZURE_STORAGE_KEY" ? "not base64!" : null)).Message, StringComparison.Ordinal);
        Assert.Contains("https", Assert.Throws<TierException>(() => new AzureBlobSegmentStore(
            AzureBlobStoreOptions.Parse("azblob://account/container?endpoint=http://127.0.0.1:10000"), _ => null)).Message, StringComparison.Ordinal);
    }

    protected override async Task<ISegmentStore> OpenAsync(string space) => await server.OpenAsync($"{run}/{space}", Cancellation);
}
