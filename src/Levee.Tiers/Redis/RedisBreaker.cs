using Polly;
using Polly.CircuitBreaker;

namespace Levee.Tiers.Redis;

/// <summary>The tier's circuit breaker: connection attempts run through it, and answers are reported to it. While it is open nothing but the next probe is sent.</summary>
internal sealed class RedisBreaker
{
    private static readonly TimeSpan LongestBreak = TimeSpan.FromSeconds(5);

    private readonly CircuitBreakerStateProvider state = new();
    private readonly ResiliencePipeline pipeline;

    public RedisBreaker(TimeProvider time)
    {
        pipeline = new ResiliencePipelineBuilder { TimeProvider = time }
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions
            {
                FailureRatio = 0.5,
                MinimumThroughput = 4,
                SamplingDuration = TimeSpan.FromSeconds(5),
                BreakDurationGenerator = static failures => ValueTask.FromResult(Doubled(failures.HalfOpenAttempts)),
                ShouldHandle = new PredicateBuilder().Handle<RedisException>(),
                StateProvider = state,
            })
            .Build();
    }

    /// <summary>Whether nothing is to be sent.</summary>
    public bool IsOpen => state.CircuitState != CircuitState.Closed;

    /// <summary>Runs a connection attempt or a probe.</summary>
    /// <exception cref="BrokenCircuitException">The breaker is open.</exception>
    public ValueTask<T> RunAsync<T>(Func<CancellationToken, ValueTask<T>> attempt, CancellationToken cancellation) => pipeline.ExecuteAsync(attempt, cancellation);

    /// <summary>Counts an answer. Ignored while the breaker is open.</summary>
    public void Report(RedisErrorKind kind)
    {
        var context = ResilienceContextPool.Shared.Get();
        var reported = pipeline.ExecuteOutcomeAsync(
            static (_, kind) => new ValueTask<Outcome<bool>>(kind == RedisErrorKind.None
                ? Outcome.FromResult(true)
                : Outcome.FromException<bool>(new RedisException(kind, "refused"))),
            context,
            kind);

        // Nothing in the pipeline waits, so it has ended.
        if (reported.IsCompleted)
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    private static TimeSpan Doubled(int attempts)
    {
        var duration = TimeSpan.FromMilliseconds(250) * Math.Pow(2, Math.Min(attempts, 8));
        return duration < LongestBreak ? duration : LongestBreak;
    }
}
