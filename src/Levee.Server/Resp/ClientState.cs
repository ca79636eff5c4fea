namespace Levee.Server.Resp;

/// <summary>What CLIENT LIST and CLIENT INFO tell of a connection.</summary>
/// <param name="id">Its number, rising.</param>
/// <param name="address">The client's address and port.</param>
/// <param name="connectedAt">When it connected, in Unix milliseconds.</param>
internal sealed class ClientState(long id, string address, long connectedAt)
{
    public long Id { get; } = id;

    public string Address { get; } = address;

    public long ConnectedAt { get; } = connectedAt;

    public string Name { get; set; } = "";

    public string LibraryName { get; set; } = "";

    public string LibraryVersion { get; set; } = "";

    public string User { get; set; } = "default";

    public Command? LastCommand { get; set; }
}
