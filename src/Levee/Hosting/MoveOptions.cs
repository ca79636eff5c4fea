namespace Levee.Hosting;

/// <summary>How a host moves partitions.</summary>
public sealed record MoveOptions
{
    /// <summary>Partitions that are pulled at the same time.</summary>
    public int MaxPulls { get; init; } = 4;

    /// <summary>Chunks that are asked for ahead, of each partition.</summary>
    public int ChunksAhead { get; init; } = 2;

    /// <summary>How long one call to a source may take.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often a call that failed is made in all, before the copy counts as lost.</summary>
    public int Attempts { get; init; } = 4;

    /// <summary>The pause before a call is made again.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a pull waits for memory that others owe, without any coming free.</summary>
    public TimeSpan RoomWait { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a freeze waits for loads under way, and for an arrival under way.</summary>
    public TimeSpan FreezeWait { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>A frozen copy that nobody has read for so long is dropped.</summary>
    public TimeSpan FrozenIdle { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Keys that an arrival can remember as not to come any more; with more the rest of it is given up.</summary>
    public int MaxVoided { get; init; } = 1 << 20;
}
