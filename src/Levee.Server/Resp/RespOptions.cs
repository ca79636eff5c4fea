namespace Levee.Server.Resp;

/// <summary>What the RESP front door is configured with.</summary>
public sealed record RespOptions
{
    /// <summary>Longest argument that is read at all, as in Redis; longer than the cache takes is answered with an error, longer than this ends the connection.</summary>
    public const int MaxBulkBytes = 512 * 1024 * 1024;

    /// <summary>Password that AUTH asks for; empty: none.</summary>
    public string Password { get; init; } = "";

    /// <summary>User that AUTH and HELLO may name beside "default".</summary>
    public string User { get; init; } = "default";

    /// <summary>Most bytes of a command, large values not counted. 64 KiB to 64 MiB.</summary>
    public int MaxCommandBytes { get; init; } = 1024 * 1024;

    /// <summary>Most replies of a connection that may be pending at a time.</summary>
    public int MaxPending { get; init; } = 1024;

    /// <summary>Unsent bytes from which on nothing is read from a connection.</summary>
    public int MaxUnsentBytes { get; init; } = 1024 * 1024;

    /// <summary>How long a large value may wait for memory before its command is refused.</summary>
    public TimeSpan MemoryWait { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Most keys that KEYS lists.</summary>
    public int MaxKeysListed { get; init; } = 1_000_000;

    /// <summary>Whether clients must authenticate.</summary>
    public bool RequiresPassword => Password.Length > 0;
}
