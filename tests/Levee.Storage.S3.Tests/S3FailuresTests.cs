using System.Diagnostics;
using System.Globalization;
using System.Text;
using Levee.Testing;
using Levee.Tiers.Stores;
using Xunit;

namespace Levee.Storage.S3.Tests;

/// <summary>A service that fails in the ways that services fail: what the caller is told, and that it is asked once only.</summary>
public sealed class S3FailuresTests : IDisposable
{
    private readonly string file = Path.GetTempFileName();

    public S3FailuresTests() => File.WriteAllBytes(file, new byte[5000]);

    public void Dispose() => File.Delete(file);

    [Theory]
    [InlineData(500, "InternalError", "the service failed (InternalError, 500)")]
    [InlineData(503, "SlowDown", "the service asks to slow down (SlowDown, 503)")]
    [InlineData(503, "ServiceUnavailable", "the service failed (ServiceUnavailable, 503)")]
    [InlineData(403, "AccessDenied", "access is denied (AccessDenied, 403)")]
    [InlineData(403, "SignatureDoesNotMatch", "the credentials are not accepted (SignatureDoesNotMatch, 403)")]
    [InlineData(400, "AuthorizationHeaderMalformed", "another region (AuthorizationHeaderMalformed, 400)")]
    [InlineData(404, "NoSuchBucket", "there is no bucket 'bucket' (NoSuchBucket, 404)")]
    public async Task A_refusal_is_told_in_words_and_with_its_code_and_is_not_tried_again(int status, string code, string words)
    {
        await using var service = new ScriptedHttp(_ => HttpAnswer.Xml(status, $"<Error><Code>{code}</Code><Message>S3RVER told</Message><RequestId>1</RequestId></Error>"));
        await using var store = Open(service);
        foreach (var use in Uses(store))
        {
            var before = service.Questions.Count;
            var failure = await Assert.ThrowsAsync<IOException>(use);
            Assert.Contains(words, failure.Message, StringComparison.Ordinal);
            Assert.Contains("s3://bucket/prefix", failure.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("S3RVER", failure.Message, StringComparison.Ordinal);
            Assert.Equal(1, service.Questions.Count - before);
        }
    }

    [Fact]
    public async Task A_refusal_without_words_is_told_with_its_status()
    {
        await using var service = new ScriptedHttp(_ => new HttpAnswer(502, "bad gateway"u8.ToArray()));
        await using var store = Open(service);
        foreach (var use in Uses(store))
        {
            Assert.Contains("502", (await Assert.ThrowsAsync<IOException>(use)).Message, StringComparison.Ordinal);
        }

        Assert.Equal(4, service.Questions.Count);
    }

    [Fact]
    public async Task A_service_that_hangs_is_left_after_the_time_out()
    {
        await using var service = new ScriptedHttp(_ => HttpAnswer.Silence);
        await using var store = Open(service, TimeSpan.FromMilliseconds(300));
        foreach (var use in Uses(store))
        {
            var clock = Stopwatch.StartNew();
            Assert.Contains("no whole answer within 0.3 seconds", (await Assert.ThrowsAsync<IOException>(use)).Message, StringComparison.Ordinal);
            Assert.InRange(clock.Elapsed, TimeSpan.FromMilliseconds(250), TimeSpan.FromSeconds(10));
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
    public async Task A_body_that_is_cut_short_is_a_failure_and_no_short_read(int sent)
    {
        await using var service = new ScriptedHttp(_ => new HttpAnswer(206, new byte[1000], sent) { Headers = new() { ["Content-Range"] = "bytes 0-999/5000" } });
        await using var store = Open(service);
        await Assert.ThrowsAsync<IOException>(() => store.ReadAsync("segment", 0, new byte[1000], TestContext.Current.CancellationToken).AsTask());
        Assert.Single(service.Questions);
    }

    [Fact]
    public async Task A_service_that_does_not_read_ranges_is_found_out()
    {
        await using var service = new ScriptedHttp(_ => new HttpAnswer(200, new byte[5000]));
        await using var store = Open(service);
        var failure = await Assert.ThrowsAsync<IOException>(() => store.ReadAsync("segment", 100, new byte[10], TestContext.Current.CancellationToken).AsTask());
        Assert.Contains("does not read ranges", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_service_that_is_not_there_is_a_failure()
    {
        string address;
        await using (var service = new ScriptedHttp(_ => HttpAnswer.Silence))
        {
            address = service.Address;
        }

        await using var store = new S3SegmentStore(S3StoreOptions.Parse($"s3://bucket/prefix?endpoint={address}"));
        foreach (var use in Uses(store))
        {
            Assert.Contains("s3://bucket/prefix", (await Assert.ThrowsAsync<IOException>(use)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_write_announces_its_length_and_has_no_chunks_and_no_checksum_that_only_aws_knows()
    {
        await using var service = new ScriptedHttp(_ => new HttpAnswer(200, []) { Headers = new() { ["ETag"] = "\"0\"" } });
        await using var store = Open(service);
        await store.WriteAsync("x/segment", new SegmentContent(file, 4000), TestContext.Current.CancellationToken);
        var put = Assert.Single(service.Questions);
        Assert.Equal("PUT", put.Method);
        Assert.Equal("/bucket/prefix/x/segment", put.Target.Split('?')[0]);
        Assert.Equal(4000, put.Body.Length);
        Assert.Equal("4000", put.Headers["Content-Length"]);
        Assert.Matches("^[0-9a-f]{64}$", put.Headers["x-amz-content-sha256"]);
        Assert.DoesNotContain(put.Headers.Keys, name => name.StartsWith("x-amz-checksum", StringComparison.OrdinalIgnoreCase) || name.StartsWith("x-amz-sdk-checksum", StringComparison.OrdinalIgnoreCase)
            || name.Equals("x-amz-trailer", StringComparison.OrdinalIgnoreCase) || name.Equals("Content-Encoding", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task A_read_asks_for_its_range_alone()
    {
        await using var service = new ScriptedHttp(_ => new HttpAnswer(206, new byte[100]));
        await using var store = Open(service);
        Assert.Equal(100, await store.ReadAsync("segment", 4096, new byte[100], TestContext.Current.CancellationToken));
        Assert.Equal("bytes=4096-4195", Assert.Single(service.Questions).Headers["Range"]);
    }

    [Fact]
    public async Task A_list_goes_on_from_page_to_page()
    {
        await using var service = new ScriptedHttp(question => HttpAnswer.Xml(200, question.Target.Contains("continuation-token=next", StringComparison.Ordinal)
            ? Page(2, isTruncated: false)
            : Page(1, isTruncated: true)));
        await using var store = Open(service);
        var names = new List<string>();
        await foreach (var found in store.ListAsync("s", TestContext.Current.CancellationToken))
        {
            names.Add($"{found.Name} {found.Length} {found.WrittenAt.ToString("u", CultureInfo.InvariantCulture)}");
        }

        Assert.Equal(["segment-1 17 2026-01-02 03:04:05Z", "segment-2 17 2026-01-02 03:04:05Z"], names);
        Assert.All(service.Questions, question => Assert.Contains("prefix=prefix%2Fs", question.Target, StringComparison.Ordinal));

        static string Page(int number, bool isTruncated) => new StringBuilder("<ListBucketResult><IsTruncated>").Append(isTruncated ? "true" : "false").Append("</IsTruncated>")
            .Append(isTruncated ? "<NextContinuationToken>next</NextContinuationToken>" : "")
            .Append($"<Contents><Key>prefix/segment-{number}</Key><Size>17</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents></ListBucketResult>").ToString();
    }

    [Theory]
    [InlineData("../other")]
    [InlineData("a//b")]
    [InlineData("a b")]
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

    private static S3SegmentStore Open(ScriptedHttp service, TimeSpan? timeout = null) =>
        new(S3StoreOptions.Parse($"s3://bucket/prefix?endpoint={service.Address}") with { RequestTimeout = timeout ?? TimeSpan.FromSeconds(15) });

    private Func<Task>[] Uses(S3SegmentStore store) =>
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
