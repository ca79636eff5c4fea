namespace Levee.Cli.Bench;

/// <summary>What a bench does, with every value checked.</summary>
internal sealed record BenchOptions
{
    public required string Host { get; init; }

    public required int Port { get; init; }

    public string? User { get; init; }

    public string? Password { get; init; }

    /// <summary>The share of reads: 1 for get, 0 for set.</summary>
    public required double ReadShare { get; init; }

    /// <summary>Whether a read that misses is followed by a write of its key, as an application fills its cache.</summary>
    public bool FillsMisses { get; init; }

    public required int Keys { get; init; }

    public required KeyDistribution Distribution { get; init; }

    /// <summary>The keys of a trace, in order; empty without one.</summary>
    public ReadOnlyMemory<ulong> TraceKeys { get; init; }

    /// <summary>Whether the trace is walked once, in its order, however long that takes; instead of <see cref="Warmup"/> and <see cref="Duration"/>.</summary>
    public bool IsOnce { get; init; }

    public required int MinValueBytes { get; init; }

    public required int MaxValueBytes { get; init; }

    public required int Connections { get; init; }

    public required int Pipeline { get; init; }

    public required int Threads { get; init; }

    /// <summary>Operations per second of all connections together; 0 means as fast as replies come.</summary>
    public required double Rate { get; init; }

    public required TimeSpan Duration { get; init; }

    public required TimeSpan Warmup { get; init; }

    public required bool IsPreloading { get; init; }

    public required int Seed { get; init; }
}
