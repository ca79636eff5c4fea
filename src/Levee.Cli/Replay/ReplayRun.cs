using Levee.Learning;

namespace Levee.Cli.Replay;

/// <summary>Replays one trace with several policies at several capacities, one pass for each pair.</summary>
/// <param name="policies">Names of policies, <see cref="Optimal"/> included.</param>
/// <param name="capacities">Entries or bytes.</param>
/// <param name="unit">Which of both.</param>
/// <param name="prefetch">How prefetching is simulated beside, in entries only; null: it is not. Its capacity and policy are not read.</param>
internal sealed class ReplayRun(IReadOnlyList<string> policies, IReadOnlyList<long> capacities, CapacityUnit unit, PrefetchSimulationOptions? prefetch = null)
{
    /// <summary>The name of the clairvoyant bound.</summary>
    public const string Optimal = "opt";

    private const int RequestsPerReport = 1 << 16;

    /// <summary>All that <c>--policy</c> allows.</summary>
    public static IReadOnlyList<string> PolicyNames { get; } = [.. PolicySimulation.PolicyNames, Optimal];

    /// <summary>How many passes a trace needs.</summary>
    public int Passes => policies.Count * capacities.Count * (prefetch is null ? 1 : 2);

    /// <summary>Replays a trace.</summary>
    /// <param name="trace">The trace; with sizes where capacities are in bytes.</param>
    /// <param name="progress">Hears how many passes are done, as a real number.</param>
    /// <param name="cancellation">Ends the run.</param>
    public IEnumerable<ReplayResult> Replay(Trace trace, IProgress<double>? progress, CancellationToken cancellation)
    {
        var done = 0;
        foreach (var policy in policies)
        {
            var optimal = policy == Optimal ? new OptimalSimulation(trace.Keys.Span, unit) : null;
            foreach (var capacity in capacities)
            {
                var result = optimal is null
                    ? Simulate(trace, policy, capacity, done, progress, cancellation)
                    : new ReplayResult(trace.Name, policy, capacity, trace.Keys.Length, optimal.Hits(capacity, cancellation));
                progress?.Report(++done);
                if (prefetch is not null)
                {
                    // The simulation of prefetching keeps to one policy: beside auto, to the one that it came to.
                    var lasting = policy != PolicySimulation.Auto ? policy : result.Switches is [.., var last] ? last.Policy : PolicySimulation.FirstOfAuto;
                    var bare = lasting == policy ? result : Simulate(trace, lasting, capacity, done, progress, cancellation);
                    result = result with { Prefetch = Prefetch(trace, bare, prefetch with { Policy = lasting, Capacity = (int)capacity }, done, progress, cancellation) };
                    progress?.Report(++done);
                }

                yield return result;
            }
        }
    }

    private ReplayResult Simulate(Trace trace, string policy, long capacity, int done, IProgress<double>? progress, CancellationToken cancellation)
    {
        var keys = trace.Keys.Span;
        var sizes = unit == CapacityUnit.Bytes ? trace.Sizes.Span : default;
        using var simulation = new PolicySimulation(policy, capacity, unit, Largest(sizes), Mean(sizes));
        for (var i = 0; i < keys.Length; i++)
        {
            if (i % RequestsPerReport == 0)
            {
                cancellation.ThrowIfCancellationRequested();
                progress?.Report(done + ((double)i / keys.Length));
            }

            simulation.Access(keys[i], sizes.IsEmpty ? 1 : sizes[i]);
        }

        return new ReplayResult(trace.Name, policy, capacity, keys.Length, simulation.Hits, policy == PolicySimulation.Auto ? simulation.Switches : null);
    }

    private static int Mean(ReadOnlySpan<int> sizes)
    {
        var sum = 0L;
        foreach (var size in sizes)
        {
            sum += size;
        }

        return (int)Math.Max(1, sum / Math.Max(1, sizes.Length));
    }

    private static PrefetchResult Prefetch(Trace trace, ReplayResult bare, PrefetchSimulationOptions options, int done, IProgress<double>? progress, CancellationToken cancellation)
    {
        var keys = trace.Keys.Span;
        var numbers = trace.Numbers.Span;
        using var simulation = new PrefetchSimulation(options);
        for (var i = 0; i < keys.Length; i++)
        {
            if (i % RequestsPerReport == 0)
            {
                cancellation.ThrowIfCancellationRequested();
                progress?.Report(done + ((double)i / keys.Length));
            }

            simulation.Access(keys[i], numbers[i]);
        }

        var bareMisses = Math.Max(1.0, bare.Requests - bare.Hits);
        return new PrefetchResult(
            options.Policy,
            options.LoadAccesses,
            bare.Requests - simulation.Misses,
            1 - ((double)simulation.Misses / bare.Requests),
            1 - (simulation.Misses / bareMisses),
            simulation.Prefetches,
            simulation.Used,
            (simulation.Used + simulation.Late) / Math.Max(1.0, simulation.Prefetches),
            simulation.Late,
            (simulation.Loads / bareMisses) - 1);
    }

    private static int Largest(ReadOnlySpan<int> sizes)
    {
        var largest = 1;
        foreach (var size in sizes)
        {
            largest = Math.Max(largest, size);
        }

        return largest;
    }
}
