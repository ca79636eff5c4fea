namespace Levee.Resp;

/// <summary>How a <see cref="RespConnection"/> connects.</summary>
public sealed class RespConnectionOptions
{
    /// <summary>How long connecting and the handshake may take together; 5 seconds.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The protocol to speak; RESP2 unless set.</summary>
    public RespVersion Version { get; init; } = RespVersion.Resp2;

    /// <summary>Who authenticates; none means the server's default user.</summary>
    public string? User { get; init; }

    /// <summary>The password; none means no authentication.</summary>
    public string? Password { get; init; }

    /// <summary>The most calls whose replies are awaited on the wire; further ones wait for their turn. 1 to 1,000,000; 4,096 unless set.</summary>
    public int MaxInFlight { get; init; } = 4096;

    /// <summary>The most memory of one reply, in bytes; 128 MiB unless set.</summary>
    public int MaxReplyBytes { get; init; } = 128 * 1024 * 1024;
}
