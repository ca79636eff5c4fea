using Levee.Testing;
using Levee.Tiers.Stores;
using Xunit;

namespace Levee.Storage.Azure.Tests;

/// <summary>A service that fails in the ways that services fail: what the caller is told, and that it is asked once only.</summary>
public sealed class AzureFailuresTests : IDisposable
{
    private readonly string file = Path.GetTempFileName();

    public AzureFailuresTests() => File.WriteAllBytes(file, new byte[5000]);

    public void Dispose() => File.Delete(file);

    [Theory]
    [InlineData(500, "InternalError", "the service failed (InternalError, 500)")]
    [InlineData(503, "ServerBusy", "the service asks to slow down (ServerBusy, 503)")]
    [InlineData(500, "OperationTimedOut", "the service failed (OperationTimedOut, 500)")]
    [InlineData(403, "AuthorizationPermissionMismatch", "access is denied (AuthorizationPermissionMismatch, 403)")]
    [InlineData(403, "AuthenticationFailed", "the credentials are not accepted (AuthenticationFailed, 403)")]
    [InlineData(404, "ContainerNotFound", "there is no container 'container' (ContainerNotFound, 404)")]
    public async Task A_refusal_is_told_in_words_and_with_its_code_and_is_not_tried_again(int status, string code, string words)
    {
        await using var service = new ScriptedHttp(_ => new HttpAnswer(status, []) { Headers = new() { ["x-ms-error-code"] = code } });
        await using var store = Open(service);
        foreach (var use in Uses(store))
        {
            var before = service.Questions.Count;
            var failure = await Assert.ThrowsAsync<IOException>(use);
            Assert.Contains(words, failure.Message, StringComparison.Ordinal);
            Assert.Contains("azblob://account/container/prefix", failure.Message, StringComparison.Ordinal);
            Assert.Equal(1, service.Questions.Count - before);
        }
    }

    [Fact]
    public async Task A_service_that_hangs_is_left_after_the_time_out()
    {
        await using var service = new ScriptedHttp(_ => HttpAnswer.Silence);
        await using var store = Open(service, TimeSpan.FromMilliseconds(300));
        foreach (var use in Uses(store))
        {
            Assert.Contains("no whole answer within 0.3 seconds", (await Assert.ThrowsAsync<IOException>(use)).Message, StringComparison.Ordinal);
        }

        Assert.Equal(4, service.Questions.Count);
    }

    [Fact]
    public async Task A_caller_that_leaves_a_service_that_hangs_sees_its_cancellation()
    {
        await using var service = new ScriptedHttp(_ => HttpAnswer.Silence);
        await using var store = Open(service);
        using var caller = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.ReadAsync("segment", 0, new byte[10], caller.Token).AsTask());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.WriteAsync("segment", new SegmentContent(file, 5000), caller.Token));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(999)]
    public async Task A_body_that_is_cut_short_is_a_failure_and_no_second_request(int sent)
    {
        await using var service = new ScriptedHttp(_ => new HttpAnswer(206, new byte[1000], sent)
        {
            Headers = new() { ["Content-Range"] = "bytes 0-999/5000", ["ETag"] = "\"0\"", ["Last-Modified"] = "Fri, 02 Jan 2026 03:04:05 GMT" },
        });
        await using var store = Open(service);
        await Assert.ThrowsAsync<IOException>(() => store.ReadAsync("segment", 0, new byte[1000], TestContext.Current.CancellationToken).AsTask());
        Assert.Single(service.Questions);
    }

    [Fact]
    public async Task A_service_that_is_not_there_is_a_failure()
    {
        string address;
        await using (var service = new ScriptedHttp(_ => HttpAnswer.Silence))
        {
            address = service.Address;
        }

        await using var store = new AzureBlobSegmentStore(AzureBlobStoreOptions.Parse($"azblob://account/container/prefix?endpoint={address}"), Key);
        foreach (var use in Uses(store))
        {
            Assert.Contains("azblob://account/container/prefix", (await Assert.ThrowsAsync<IOException>(use)).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("../other")]
    [InlineData("a//b")]
    [InlineData("")]
    public async Task A_name_that_could_mean_another_place_is_refused(string name)
    {
        await using var service = new ScriptedHttp(_ => HttpAnswer.Silence);
        await using var store = Open(service);
        await Assert.ThrowsAsync<ArgumentException>(() => store.ReadAsync(name, 0, new byte[1], TestContext.Current.CancellationToken).AsTask());
        await Assert.ThrowsAsync<ArgumentException>(() => store.WriteAsync(name, new SegmentContent(file, 1), TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<ArgumentException>(() => store.DeleteAsync(name, TestContext.Current.CancellationToken));
        Assert.Empty(service.Questions);
    }

    private static string? Key(string variable) => variable == "AZURE_STORAGE_KEY" ? Convert.ToBase64String(new byte[32]) : null;

    private static AzureBlobSegmentStore Open(ScriptedHttp service, TimeSpan? timeout = null) =>
        new(AzureBlobStoreOptions.Parse($"azblob://account/container/prefix?endpoint={service.Address}") with { RequestTimeout = timeout ?? TimeSpan.FromSeconds(15) }, Key);

    private Func<Task>[] Uses(AzureBlobSegmentStore store) =>
    [
        () => store.WriteAsync("segment", new SegmentContent(file, 5000), TestContext.Current.CancellationToken),
        () => store.ReadAsync("segment", 0, new byte[10], TestContext.Current.CancellationToken).AsTask(),
        () => store.DeleteAsync("segment", TestContext.Current.CancellationToken),
        async () =>
        {
            await foreach (var found in store.ListAsync("", TestContext.Current.CancellationToken))
            {
                Assert.Fail($"{found} was listed");
            }
        },
    ];
}
