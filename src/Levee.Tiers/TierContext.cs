using Levee.Codec;
using Microsoft.Extensions.Logging;

namespace Levee.Tiers;

/// <summary>What every tier is told at its birth. Checked values.</summary>
public sealed record TierContext
{
    /// <summary>The folder, the tier's own on this machine, where its state and what is not written yet lie; it exists and can be written.</summary>
    public required string StateFolder { get; init; }

    /// <summary>What the tier may hold, in bytes.</summary>
    public required long CapacityBytes { get; init; }

    /// <summary>Whether what was logged must reach the disk, not only the operating system, before it counts as committed.</summary>
    public bool Fsync { get; init; }

    /// <summary>What the index may take, in bytes of the memory budget; beyond that the oldest entries go as if the capacity were reached.</summary>
    public long MaxIndexBytes { get; init; } = 1L << 30;

    /// <summary>Compresses and encrypts what leaves memory.</summary>
    public RecordCodec Codec { get; init; } = RecordCodec.Plain;

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Where the tier's log messages go. They hold no keys, values or secrets.</summary>
    public required ILogger Logger { get; init; }

    /// <summary>Called at named moments of the tier's work; a crash harness dies there. Null in service.</summary>
    public Action<string>? Failpoint { get; init; }
}
