using System.Diagnostics.CodeAnalysis;

namespace Levee.Clustering;

/// <summary>How a <see cref="BatchRouter"/> sends.</summary>
public sealed record BatchRouterOptions
{
    /// <summary>Most batches of small operations under way to one target, 1 to 64.</summary>
    public int MaxInFlight { get; init; } = 4;

    /// <summary>Where a batch is under way to a target, another follows it before it has returned when at least so many operations wait, 1 to 512.</summary>
    public int GatheredOperations { get; init; } = 32;

    /// <summary>How long one call to a target may take.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long an operation is tried for whose partition is nowhere, or cannot be reached.</summary>
    public TimeSpan NotHereTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long the answer to an operation is waited for that was taken on and not answered at once.</summary>
    public TimeSpan PendingTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Most bytes of operations that wait to be sent. What is above is refused with Unavailable.</summary>
    public long MaxWaitingBytes { get; init; } = 64L << 20;

    internal void Validate()
    {
        Check(MaxInFlight is >= 1 and <= 64, nameof(MaxInFlight), "1 to 64");
        Check(GatheredOperations is >= 1 and <= BatchLimits.MaxOperations, nameof(GatheredOperations), "1 to 512");
        Check(CallTimeout > TimeSpan.Zero, nameof(CallTimeout), "above 0");
        Check(NotHereTimeout > TimeSpan.Zero, nameof(NotHereTimeout), "above 0");
        Check(PendingTimeout > TimeSpan.Zero, nameof(PendingTimeout), "above 0");
        Check(MaxWaitingBytes >= BatchLimits.MaxBytes, nameof(MaxWaitingBytes), "at least 65536");
    }

    private static void Check([DoesNotReturnIf(false)] bool holds, string name, string range)
    {
        if (!holds)
        {
            throw new ArgumentException($"{name} must be {range}", name);
        }
    }
}

/// <summary>What a <see cref="BatchServer"/> keeps for its callers, and for how long.</summary>
public sealed record BatchServerOptions
{
    /// <summary>After this time without a sign of the caller its uncollected answers, its unread large values and its unfinished pieces are let go.</summary>
    public TimeSpan KeepFor { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a collection waits where nothing is answered.</summary>
    public TimeSpan CollectWait { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Most bytes of large values that callers have begun to write, in all.</summary>
    public long MaxStagedBytes { get; init; } = 128L << 20;

    /// <summary>Most bytes of large values that answers have named and callers have not read, in all.</summary>
    public long MaxNamedBytes { get; init; } = 256L << 20;

    /// <summary>Most batches with uncollected answers.</summary>
    public int MaxBatches { get; init; } = 100_000;
}

/// <summary>What a <see cref="BatchRouter"/> has done since its start.</summary>
/// <param name="Batches">Batches sent.</param>
/// <param name="Operations">Operations submitted.</param>
/// <param name="Retries">Operations sent again because their partition was not there or a call failed.</param>
/// <param name="Failures">Calls that failed or timed out.</param>
/// <param name="Unavailable">Operations that were given up.</param>
/// <param name="SentBytes">Bytes of requests and of pieces.</param>
/// <param name="ReceivedBytes">Bytes of replies and of pieces.</param>
/// <param name="Waiting">Operations that wait to be sent, now.</param>
public readonly record struct RouterStatistics(long Batches, long Operations, long Retries, long Failures, long Unavailable, long SentBytes, long ReceivedBytes, long Waiting);

/// <summary>What a <see cref="BatchServer"/> keeps for its callers now, and what it has let go since its start.</summary>
/// <param name="Batches">Batches with answers that are pending or not collected.</param>
/// <param name="StagedBytes">Large values that callers have begun to write.</param>
/// <param name="NamedBytes">Large values that callers have not read.</param>
/// <param name="Abandoned">Batches, large values and pieces that no caller came back for.</param>
public readonly record struct BatchServerStatistics(int Batches, long StagedBytes, long NamedBytes, long Abandoned);
