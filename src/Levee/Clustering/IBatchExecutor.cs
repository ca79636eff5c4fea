using Levee.Operations;

namespace Levee.Clustering;

/// <summary>What a <see cref="BatchServer"/> runs operations on: the host of a silo's partitions, or a gateway. Safe for threads.</summary>
public interface IBatchExecutor
{
    /// <summary>Whether all answers that were given so far may leave the process.</summary>
    bool IsCommitted { get; }

    /// <summary>Submits an operation as <see cref="ICacheHost.Submit"/> does.</summary>
    /// <returns>False: its partition is not here. Nothing was done and nothing is answered.</returns>
    bool TrySubmit(in Operation operation, IAnswerSink sink, long ticket);

    /// <summary>Submits gets that go together, see <see cref="ICacheHost.SubmitGets"/>.</summary>
    /// <returns>How many were submitted; 0: the partition of the first is not here. Nothing was done then and nothing is answered.</returns>
    int TrySubmitGets(ReadOnlySpan<byte> input, Span<KeyHint> keys, IBatchSink sink, long ticket) => TrySubmit(keys[0].ToGet(input), sink, ticket) ? 1 : 0;

    /// <summary>Completes when all answers that were given before the call may leave the process.</summary>
    /// <exception cref="IOException">They must not.</exception>
    ValueTask CommitAsync();

    /// <summary>Says which keys are about to be submitted on, see <see cref="ICacheHost.Approach"/>. Partitions that are not here are passed over.</summary>
    void Approach(ReadOnlySpan<byte> input, Span<KeyHint> keys)
    {
    }

    /// <summary>Ends a batch, see <see cref="ICacheHost.Flush"/>.</summary>
    void Flush(IAnswerSink sink)
    {
    }
}

/// <summary>Runs batches on a host that has all partitions, or knows the way to them.</summary>
public sealed class HostExecutor : IBatchExecutor
{
    private readonly ICacheHost host;

    /// <param name="host">The host.</param>
    public HostExecutor(ICacheHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        this.host = host;
    }

    /// <inheritdoc/>
    public bool IsCommitted => host.IsCommitted;

    /// <inheritdoc/>
    public bool TrySubmit(in Operation operation, IAnswerSink sink, long ticket)
    {
        host.Submit(operation, sink, ticket);
        return true;
    }

    /// <inheritdoc/>
    public int TrySubmitGets(ReadOnlySpan<byte> input, Span<KeyHint> keys, IBatchSink sink, long ticket) => host.SubmitGets(input, keys, sink, ticket);

    /// <inheritdoc/>
    public ValueTask CommitAsync() => host.CommitAsync();

    /// <inheritdoc/>
    public void Approach(ReadOnlySpan<byte> input, Span<KeyHint> keys) => host.Approach(input, keys);

    /// <inheritdoc/>
    public void Flush(IAnswerSink sink) => host.Flush(sink);
}
