namespace Levee.Server.Resp;

/// <summary>What the RESP front door is configured with.</summary>
public sealed record RespOptions
{
    /// <summary>Longest argument that is read at all, as in Redis; longer than the cache takes is answered with an error, longer than this ends the connection.</summary>
    public const int MaxBulkBytes = 512 * 1024 * 1024;

    /// <summary>Who may come in.</summary>
    public Credentials Credentials { get; init; } = Credentials.None;

    /// <summary>Most bytes of a command, large values not counted. 64 KiB to 64 MiB.</summary>
    public int MaxCommandBytes { get; init; } = 1024 * 1024;

    /// <summary>Most replies of a connection that may be pending at a time.</summary>
    public int MaxPending { get; init; } = 1024;

    /// <summary>Unsent bytes from which on nothing is read from a connection.</summary>
    public int MaxUnsentBytes { get; init; } = 256 * 1024;

    /// <summary>How long a large value may wait for memory before its command is refused.</summary>
    public TimeSpan MemoryWait { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Most keys that KEYS lists.</summary>
    public int MaxKeysListed { get; init; } = 1_000_000;
}
