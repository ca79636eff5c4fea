using System.Net;

namespace Levee.Server.Transport;

/// <summary>What a transport is to do next with a conversation.</summary>
public enum ConversationState
{
    /// <summary>Read more bytes when they come.</summary>
    Reading,

    /// <summary>The conversation has used up its turn: call <see cref="IConversation.Consume"/> again, new bytes or not, after the others have had theirs.</summary>
    Yielded,

    /// <summary>Read nothing until <see cref="IWaker.Wake"/> is called: the client must first take what is unsent, or an answer or memory is outstanding. Output is still sent.</summary>
    Paused,

    /// <summary>Send what is unsent, then close.</summary>
    Closing,
}

/// <summary>
/// One conversation over a byte stream, without any I/O: a transport feeds it what arrives and sends what it has to say.
/// All members are called by one thread at a time, the loop that owns the connection.
/// </summary>
public interface IConversation
{
    /// <summary>What to do next; looked at after each <see cref="Consume"/>, <see cref="Continue"/> and <see cref="Sent"/>.</summary>
    ConversationState State { get; }

    /// <summary>
    /// Takes bytes that have arrived and acts on them.
    /// </summary>
    /// <param name="input">All bytes that were not consumed before, in order, and what came after them.</param>
    /// <returns>How many bytes are done with. The rest is offered again; the conversation bounds how much that can be (it closes, or streams large values away).</returns>
    int Consume(ReadOnlySpan<byte> input);

    /// <summary>Continues after <see cref="IWaker.Wake"/>; the transport then goes on as <see cref="State"/> says.</summary>
    void Continue();

    /// <summary>The next bytes to send, contiguous; empty when there is nothing to send now. Stays valid until <see cref="Sent"/>.</summary>
    ReadOnlySpan<byte> Unsent { get; }

    /// <summary>The first <paramref name="count"/> bytes of <see cref="Unsent"/> are on their way.</summary>
    void Sent(int count);

    /// <summary>True while an answer is outstanding that will still become output. A client that has ended its side, and a stopping transport, wait for it before they close.</summary>
    bool HasPending => false;

    /// <summary>
    /// What it holds for its client beyond what every conversation does, in bytes: an unfinished command, unread replies.
    /// </summary>
    long HeldBytes => 0;

    /// <summary>Makes small what is held for unread replies; called when the client does not take them.</summary>
    void Compact()
    {
    }

    /// <summary>Gives up the unfinished command, since its memory is needed: with an error reply, so that the client knows.</summary>
    /// <returns>False where that is not enough: the connection is closed.</returns>
    bool TryGiveWay() => false;

    /// <summary>The connection is gone; nothing is called after this. <paramref name="reason"/> is for the log, in lower case: "closed by client", "idle for 300 s".</summary>
    void Closed(string reason);
}

/// <summary>How a conversation calls its transport back.</summary>
public interface IWaker
{
    /// <summary>Asks for <see cref="IConversation.Continue"/> on the connection's own loop, soon. From any thread, any number of times; cheap; never calls back before it returns.</summary>
    void Wake();
}

/// <summary>Makes the conversation of a new connection.</summary>
/// <returns>Null to refuse the connection.</returns>
public delegate IConversation? ConversationFactory(IWaker waker, EndPoint? remote);

/// <summary>Limits that a transport keeps by itself.</summary>
public sealed record TransportLimits
{
    /// <summary>Most connections at a time; further ones are closed at once.</summary>
    public int MaxConnections { get; init; } = 10_000;

    /// <summary>A connection on which nothing arrives for this long is closed; <see cref="TimeSpan.Zero"/>: never.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.Zero;

    /// <summary>A client that takes none of what is unsent for this long is closed.</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Bounds what unfinished requests and unread replies of all connections take; null: 64 MiB for this transport alone.
    /// </summary>
    public StagingArea? Staging { get; init; }

    /// <summary>How long <see cref="ITransport.StopAsync"/> lets output drain.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>Accepts connections on an endpoint and carries their conversations.</summary>
public interface ITransport : IAsyncDisposable
{
    /// <summary>Where the transport listens; known after <see cref="Start"/> also when port 0 was asked for.</summary>
    IPEndPoint EndPoint { get; }

    /// <summary>Open connections now.</summary>
    int ConnectionCount { get; }

    /// <summary>Connections that were refused or closed because of <see cref="TransportLimits"/>, since the start.</summary>
    long LimitClosures { get; }

    /// <summary>Binds and listens.</summary>
    /// <exception cref="System.Net.Sockets.SocketException">The endpoint is taken or not this machine's.</exception>
    void Start();

    /// <summary>Stops accepting and reading, sends what is unsent within <see cref="TransportLimits.DrainTimeout"/>, closes everything.</summary>
    Task StopAsync(CancellationToken cancellation);
}
