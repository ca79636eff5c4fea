using System.Runtime.CompilerServices;
using Polly;
using Polly.CircuitBreaker;
using Polly.Timeout;

namespace Levee.Tiers.Stores;

/// <summary>How a remote store is guarded. Defaults fit object stores.</summary>
public sealed record GuardOptions
{
    /// <summary>Requests at a time; further ones wait for their turn.</summary>
    public int MaxConcurrency { get; init; } = 32;

    /// <summary>A request that has waited for its turn for longer is given up. That is no failure of the store, and not counted as one.</summary>
    public TimeSpan QueueTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A read that takes longer is given up.</summary>
    public TimeSpan ReadTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>A write, delete or page of a list that takes longer is given up.</summary>
    public TimeSpan WriteTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The share of failures within ten seconds at which the store is cut out.</summary>
    public double FailureRatio { get; init; } = 0.5;

    /// <summary>How many requests it takes within ten seconds before the ratio counts.</summary>
    public int MinimumThroughput { get; init; } = 5;

    /// <summary>How long the store is left alone before one request tries it again.</summary>
    public TimeSpan BreakDuration { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>
/// A store behind a circuit breaker, a bound on concurrency and time-outs: a store that is slow or gone costs its callers a time-out a few times, and then nothing until it is back.
/// What the guard refuses is an <see cref="IOException"/> like the store's own failures.
/// </summary>
public sealed class GuardedStore : ISegmentStore
{
    private readonly ISegmentStore store;
    private readonly SemaphoreSlim slots;
    private readonly TimeSpan writeTimeout;
    private readonly TimeSpan queueTimeout;
    private readonly ResiliencePipeline reading;
    private readonly ResiliencePipeline writing;

    /// <param name="store">The store; the guard owns it.</param>
    /// <param name="options">How it is guarded.</param>
    /// <param name="time">The clock.</param>
    public GuardedStore(ISegmentStore store, GuardOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(options);
        this.store = store;
        slots = new SemaphoreSlim(options.MaxConcurrency);
        writeTimeout = options.WriteTimeout;
        queueTimeout = options.QueueTimeout;

        // One breaker for both pipelines: a store that does not take writes is not asked to read either.
        var breaker = new ResiliencePipelineBuilder { TimeProvider = time }
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions
            {
                FailureRatio = options.FailureRatio,
                MinimumThroughput = options.MinimumThroughput,
                SamplingDuration = TimeSpan.FromSeconds(10),
                BreakDuration = options.BreakDuration,
                ShouldHandle = static outcome => ValueTask.FromResult(outcome.Outcome.Exception is IOException or TimeoutRejectedException),
            })
            .Build();
        reading = Within(breaker, options.ReadTimeout, time);
        writing = Within(breaker, options.WriteTimeout, time);
    }

    /// <inheritdoc/>
    public string Kind => store.Kind;

    /// <inheritdoc/>
    public string Location => store.Location;

    /// <inheritdoc/>
    public async Task WriteAsync(string name, SegmentContent content, CancellationToken cancellation) =>
        await RunAsync(writing, static async (call, token) =>
        {
            await call.Store.WriteAsync(call.Name, call.Content, token).ConfigureAwait(false);
            return 0;
        }, (Store: store, Name: name, Content: content), cancellation).ConfigureAwait(false);

    /// <inheritdoc/>
    public ValueTask<int> ReadAsync(string name, long offset, Memory<byte> destination, CancellationToken cancellation) =>
        RunAsync(reading, static (call, token) => call.Store.ReadAsync(call.Name, call.Offset, call.Destination, token), (Store: store, Name: name, Offset: offset, Destination: destination), cancellation);

    /// <inheritdoc/>
    public async Task DeleteAsync(string name, CancellationToken cancellation) =>
        await RunAsync(writing, static async (call, token) =>
        {
            await call.Store.DeleteAsync(call.Name, token).ConfigureAwait(false);
            return 0;
        }, (Store: store, Name: name), cancellation).ConfigureAwait(false);

    /// <summary>Guarded by a time-out for each page only: a list is asked for at the start and in the background, by who retries.</summary>
    public async IAsyncEnumerable<StoredSegment> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var patience = new CancellationTokenSource();
        using var within = CancellationTokenSource.CreateLinkedTokenSource(cancellation, patience.Token);
        var segments = store.ListAsync(prefix, within.Token).GetAsyncEnumerator(within.Token);
        await using (segments.ConfigureAwait(false))
        {
            while (await MoveNextAsync(segments, patience, cancellation).ConfigureAwait(false))
            {
                yield return segments.Current;
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await store.DisposeAsync().ConfigureAwait(false);
        slots.Dispose();
    }

    private async ValueTask<bool> MoveNextAsync(IAsyncEnumerator<StoredSegment> segments, CancellationTokenSource patience, CancellationToken cancellation)
    {
        patience.CancelAfter(writeTimeout);
        try
        {
            return await segments.MoveNextAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            throw new IOException($"{Location} did not answer within {writeTimeout.TotalSeconds} s");
        }
        finally
        {
            patience.CancelAfter(Timeout.InfiniteTimeSpan);
        }
    }

    private static ResiliencePipeline Within(ResiliencePipeline breaker, TimeSpan timeout, TimeProvider time) =>
        new ResiliencePipelineBuilder { TimeProvider = time }.AddPipeline(breaker).AddTimeout(timeout).Build();

    private async ValueTask<TResult> RunAsync<TCall, TResult>(
        ResiliencePipeline pipeline, Func<TCall, CancellationToken, ValueTask<TResult>> request, TCall call, CancellationToken cancellation)
    {
        // Before the pipeline, whose time-outs and breaker measure the store and not how many wait here.
        if (!await slots.WaitAsync(queueTimeout, cancellation).ConfigureAwait(false))
        {
            throw new IOException($"{Location} has more requests waiting than it answers within {queueTimeout.TotalSeconds} s");
        }

        try
        {
            return await pipeline.ExecuteAsync(static (state, token) => state.Request(state.Call, token), (Request: request, Call: call), cancellation).ConfigureAwait(false);
        }
        catch (BrokenCircuitException)
        {
            throw new IOException($"{Location} is left alone for a moment: its last requests failed");
        }
        catch (TimeoutRejectedException slow)
        {
            throw new IOException($"{Location} did not answer within {slow.Timeout.TotalSeconds} s", slow);
        }
        finally
        {
            slots.Release();
        }
    }
}
