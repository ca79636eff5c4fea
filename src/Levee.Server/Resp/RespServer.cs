using System.Collections.Concurrent;
using System.Net;
using Levee.Hosting;
using Levee.Server.Resp.Commands;
using Levee.Server.Transport;
using Microsoft.Extensions.Logging;

namespace Levee.Server.Resp;

/// <summary>The RESP front door: makes the conversation of each connection and knows what they share.</summary>
public sealed partial class RespServer : IDisposable
{
    private const int MaxLongCommands = 4;

    private static readonly TimeSpan MemoryPoll = TimeSpan.FromMilliseconds(2);

    private readonly ConcurrentDictionary<long, RespConversation> conversations = new();
    private readonly ConcurrentQueue<RespConversation> memoryWaiters = new();
    private readonly ConcurrentDictionary<string, byte> refused = new();
    private readonly ConcurrentBag<RespCounters> counters = [];
    private readonly MillisecondClock clock;
    private readonly Timer memoryTimer;
    private readonly ILogger logger;
    private readonly LogPace protocolErrors = new();
    private StagingArea? staging;
    private long lastClientId;

    /// <param name="catalog">The caches that clients reach; SELECT chooses among them.</param>
    /// <param name="options">Checked options.</param>
    /// <param name="clock">The time that TTLs are counted in.</param>
    /// <param name="logger">Where refusals and failures go.</param>
    public RespServer(CacheCatalog catalog, RespOptions options, MillisecondClock clock, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(options);
        Catalog = catalog;
        Options = options;
        this.clock = clock;
        this.logger = logger;
        StartedAt = clock.Now;
        Door = new PasswordDoor(options.Credentials, TimeProvider.System, logger);
        foreach (var cache in catalog.Caches)
        {
            Readers.Watch(cache.LargeValues);
        }

        memoryTimer = new Timer(static state => ((RespServer)state!).WakeMemoryWaiters(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Where the server listens, as INFO and CLIENT tell it; set once it does.</summary>
    public IPEndPoint EndPoint { get; set; } = new(IPAddress.Loopback, 0);

    /// <summary>The memory budget that INFO tells, in bytes.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Where passwords are asked for; by default one of its own, with the credentials of the options.</summary>
    public PasswordDoor Door { get; init; }

    /// <summary>Where unfinished commands and unread replies are counted; unless given, one for the memory budget.</summary>
    public StagingArea Staging { get => staging ??= StagingArea.For(MemoryBytes, TimeProvider.System); init => staging = value; }

    /// <summary>Lets a few commands over everything run at a time: all others have their turns between those of few.</summary>
    internal SemaphoreSlim LongCommands { get; } = new(MaxLongCommands);

    /// <summary>Who reads large values.</summary>
    internal SlowReaders Readers { get; init; } = new();

    /// <summary>When the server started, in Unix milliseconds.</summary>
    public long StartedAt { get; }

    /// <summary>Connections accepted since the start.</summary>
    public long TotalConnections => Volatile.Read(ref lastClientId);

    /// <summary>Connections open now.</summary>
    public int ConnectionCount => conversations.Count;

    /// <summary>Commands since the start.</summary>
    public long TotalCommands => counters.Sum(c => c.Commands);

    internal CacheCatalog Catalog { get; }

    internal RespOptions Options { get; }

    internal long Now => clock.Now;

    /// <summary>The scripts that EVALSHA knows.</summary>
    internal ScriptTable Scripts { get; } = new();

    internal IReadOnlyCollection<RespCounters> Counters => counters;

    internal IEnumerable<RespConversation> Conversations => conversations.Values;

    /// <summary>Makes the conversation of a new connection.</summary>
    public IConversation Accept(IWaker waker, EndPoint? remote)
    {
        var conversation = new RespConversation(this, waker, remote);
        conversations[conversation.Client.Id] = conversation;
        return conversation;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        memoryTimer.Dispose();
        LongCommands.Dispose();
        Readers.Dispose();
    }

    internal long NextClientId() => Interlocked.Increment(ref lastClientId);

    internal void Register(RespCounters threadCounters) => counters.Add(threadCounters);

    internal void Forget(RespConversation conversation, string reason)
    {
        conversations.TryRemove(conversation.Client.Id, out _);
        LogClosed(conversation.Client.Address, reason);
    }

    internal bool Kill(Func<ClientState, bool> matches)
    {
        var killed = false;
        foreach (var conversation in conversations.Values)
        {
            if (matches(conversation.Client))
            {
                conversation.Kill();
                killed = true;
            }
        }

        return killed;
    }

    internal void WakeWhenMemoryMayBeFree(RespConversation conversation)
    {
        memoryWaiters.Enqueue(conversation);
        memoryTimer.Change(MemoryPoll, Timeout.InfiniteTimeSpan);
    }

    internal void LogProtocolError(RespConversation conversation, string error)
    {
        if (protocolErrors.MayWrite(Environment.TickCount64, out var skipped))
        {
            LogProtocolError(conversation.Client.Address, error, skipped);
        }
    }

    internal void LogFailure(RespConversation conversation, Exception exception) =>
        LogFailure(exception, conversation.Client.Address, conversation.Client.LastCommand?.Name ?? "none");

    internal void LogCommitFailure(RespConversation conversation, Exception exception) => LogCommitFailure(exception, conversation.Client.Address);

    /// <summary>
    /// Says once for each command that clients ask for what there is not. Some send it without waiting for the reply, and then this is the
    /// only place where it is told.
    /// </summary>
    internal void NoteRefused(RespConversation conversation, string command, string alternative)
    {
        if (refused.TryAdd(command, 0))
        {
            var client = conversation.Client;
            LogRefused(command, client.Address, client.LibraryName.Length == 0 ? "unknown" : client.LibraryName, alternative);
        }
    }

    private void WakeMemoryWaiters()
    {
        for (var count = memoryWaiters.Count; count > 0 && memoryWaiters.TryDequeue(out var waiter); count--)
        {
            waiter.Wake();
        }
    }

    [LoggerMessage(1, LogLevel.Debug, "Connection from {Address} closed: {Reason}", EventName = "RespConnectionClosed")]
    private partial void LogClosed(string address, string reason);

    [LoggerMessage(2, LogLevel.Warning, "Connection from {Address} is closed because it broke the protocol: {Error}; {Skipped} others were since the last such line", EventName = "RespProtocolError")]
    private partial void LogProtocolError(string address, string error, long skipped);

    [LoggerMessage(3, LogLevel.Error, "Connection from {Address} is closed because command {Command} failed", EventName = "RespCommandFailed")]
    private partial void LogFailure(Exception exception, string address, string command);

    [LoggerMessage(4, LogLevel.Error, "Connection from {Address} is closed because what it wrote could not be made durable", EventName = "RespCommitFailed")]
    private partial void LogCommitFailure(Exception exception, string address);

    [LoggerMessage(
        5,
        LogLevel.Warning,
        "{Command} is refused, first to {Address} (library {Library}); this is said once. {Alternative}",
        EventName = "RespCommandRefused")]
    private partial void LogRefused(string command, string address, string library, string alternative);
}
