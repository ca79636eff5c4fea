namespace Levee.Cli.Replay;

/// <summary>A sequence of requests.</summary>
/// <param name="Name">How reports call it.</param>
/// <param name="Keys">The key of each request, or its hash.</param>
/// <param name="Sizes">The size of each request's entry in bytes; empty where the trace does not say.</param>
internal sealed record Trace(string Name, ReadOnlyMemory<ulong> Keys, ReadOnlyMemory<int> Sizes)
{
    /// <summary>For each request whether its key is a number that can be a member of a progression; empty where nobody asked. Then keys are ids as a prefetcher has them.</summary>
    public ReadOnlyMemory<bool> Numbers { get; init; }

    /// <summary>Whether entries have sizes.</summary>
    public bool HasSizes => !Sizes.IsEmpty;
}
