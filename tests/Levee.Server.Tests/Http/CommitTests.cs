using System.Net;
using System.Threading.Channels;
using Levee.Memory;
using Levee.Operations;
using Xunit;

namespace Levee.Server.Tests.Http;

/// <summary>HTTP answers wait for the commit of what they acknowledge or show.</summary>
public sealed class CommitTests : IAsyncLifetime
{
    private HttpServer server = null!;
    private GatedCache cache = null!;

    public async ValueTask InitializeAsync() => server = await HttpServer.StartAsync(inner => cache = new GatedCache(inner));

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task Answers_wait_for_the_commit_whatever_they_show()
    {
        await server.PutAsync("/caches/default/keys/k", [1]);
        cache.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task[] answers =
        [
            server.PutAsync("/caches/default/keys/k", [2]), server.GetAsync("/caches/default/keys/k"), server.DeleteAsync("/caches/default/keys/other"),
            server.PostAsync("/caches/default/get-many", """{"keys":["k"]}"""), server.GetAsync("/caches/default/keys"),
        ];
        await cache.AskedAsync(answers.Length);
        Assert.All(answers, static answer => Assert.False(answer.IsCompleted));
        cache.Gate.SetResult();
        await Task.WhenAll(answers);
        cache.Gate = null;
        Assert.Equal([2], await server.GetBytesAsync("/caches/default/keys/k"));
    }

    [Fact]
    public async Task A_commit_that_fails_is_no_acknowledgement()
    {
        var failed = new TaskCompletionSource();
        failed.SetException(new IOException("the disk is full"));
        cache.Gate = failed;
        var put = await server.PutAsync("/caches/default/keys/k", new byte[50_000]);
        var get = await server.GetAsync("/caches/default/keys/k");
        Assert.Equal([HttpStatusCode.InternalServerError, HttpStatusCode.InternalServerError], [put.StatusCode, get.StatusCode]);
        cache.Gate = null;
        await server.DeleteAsync("/caches/default/keys/k");
        Assert.Equal(0, (await server.GetJsonAsync("/caches/default")).GetProperty("memory").GetProperty("largeBytes").GetInt64());
    }

    /// <summary>A cache whose answers are committed when the gate opens.</summary>
    private sealed class GatedCache(ICacheHost inner) : ICacheHost
    {
        private readonly Channel<bool> asked = Channel.CreateUnbounded<bool>();

        public TaskCompletionSource? Gate { get; set; }

        public string Name => inner.Name;

        public int PartitionCount => inner.PartitionCount;

        public LargeValueStore LargeValues => inner.LargeValues;

        public bool IsCommitted => Gate is null || Gate.Task.IsCompletedSuccessfully;

        public async ValueTask CommitAsync()
        {
            asked.Writer.TryWrite(true);
            if (Gate is { } gate)
            {
                await gate.Task;
            }
        }

        public void Submit(in Operation operation, IAnswerSink sink, long ticket) => inner.Submit(operation, sink, ticket);

        public void Flush(IAnswerSink sink) => inner.Flush(sink);

        public async Task AskedAsync(int count)
        {
            for (var i = 0; i < count; i++)
            {
                await asked.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
            }
        }
    }
}
