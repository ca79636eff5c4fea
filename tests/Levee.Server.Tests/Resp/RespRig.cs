using System.Net;
using System.Text;
using Levee.Hosting;
using Levee.Operations;
using Levee.Partitions;
using Levee.Server.Resp;
using Levee.Server.Transport;
using Levee.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>A RESP server without sockets, over small caches and manual time.</summary>
internal sealed class RespRig : IAsyncDisposable
{
    private readonly LockHost second;
    private readonly List<RespClient> clients = [];
    private readonly bool checksLeaks;

    public RespRig(
        RespOptions? options = null,
        ITierChain? tier = null,
        bool defers = false,
        long memoryBytes = 32L << 20,
        int maxValueBytes = 0,
        Func<ICacheHost, ICacheHost>? wrap = null)
    {
        Cache = new LockHost(new CacheOptions { MemoryBytes = memoryBytes, Partitions = 2, MaxValueBytes = maxValueBytes }, Time, tier, seed: 1, maintains: false);
        second = new LockHost(new CacheOptions { Name = "second", MemoryBytes = CacheOptions.MinMemoryBytes }, Time, seed: 2, maintains: false);
        Deferring = new DeferringHost(wrap?.Invoke(Cache) ?? Cache) { Defers = defers };
        Server = new RespServer(new CacheCatalog([Deferring, second]), options ?? new RespOptions(), new MillisecondClock(Time), NullLogger.Instance) { MemoryBytes = memoryBytes };
        checksLeaks = tier is null;
    }

    public ManualTime Time { get; } = new();

    public LockHost Cache { get; }

    public DeferringHost Deferring { get; }

    public RespServer Server { get; }

    public RespClient Connect()
    {
        var client = new RespClient(Server, clients.Count + 1);
        clients.Add(client);
        return client;
    }

    /// <summary>Has each command answered as given: "SET a 1", "+OK|", where | is a line's end.</summary>
    public static void Converse(RespClient client, params ReadOnlySpan<string> commandsAndReplies)
    {
        for (var i = 0; i < commandsAndReplies.Length; i += 2)
        {
            Assert.Equal(commandsAndReplies[i] + " => " + commandsAndReplies[i + 1], commandsAndReplies[i] + " => " + client.Ask(commandsAndReplies[i]));
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in clients)
        {
            client.Close();
        }

        Deferring.Deliver();
        Assert.Equal(0, Server.ConnectionCount);
        if (checksLeaks && TestContext.Current.TestState?.Result != TestResult.Failed)
        {
            AssertNothingHeld();
        }

        Server.Dispose();
        await Cache.DisposeAsync();
        await second.DisposeAsync();
    }

    /// <summary>An emptied cache holds no large value: nobody has kept a reference.</summary>
    public void AssertNothingHeld()
    {
        for (var partition = 0; partition < Cache.PartitionCount; partition++)
        {
            Cache.Submit(new Operation { Kind = OperationKind.Clear, Partition = partition }, new CopyingSink(), 1);
        }

        while (Cache.MaintainOnce())
        {
        }

        Cache.CheckInvariants();
        var large = 0L;
        var paged = 0L;
        for (var partition = 0; partition < Cache.PartitionCount; partition++)
        {
            var sink = new StatisticsSink();
            Cache.Submit(new Operation { Kind = OperationKind.Statistics, Partition = partition }, sink, 1);
            large += sink.Statistics!.LargeBytes;
            paged += sink.Statistics.HeldBytes;
        }

        Assert.Equal(0, large);
        Assert.Equal(paged, Cache.HeldBytes);
    }

    private sealed class StatisticsSink : IAnswerSink
    {
        public PartitionStatistics? Statistics { get; private set; }

        public void Answer(long ticket, in Answer answer) => Statistics = answer.Statistics;
    }
}

/// <summary>A client and its transport in one: feeds what it sends to its conversation and takes the replies, all on the test's thread.</summary>
internal sealed class RespClient : IWaker
{
    private readonly IConversation conversation;
    private readonly List<byte> input = [];
    private readonly List<byte> received = [];
    private int wakes;
    private volatile TaskCompletionSource? woken;
    private bool hasNew;

    public RespClient(RespServer server, int number) => conversation = server.Accept(this, new IPEndPoint(IPAddress.Loopback, 40_000 + number));

    /// <summary>Whether the client takes what is sent to it.</summary>
    public bool Reads { get; set; } = true;

    /// <summary>Most bytes that one call of Consume is offered beyond what was offered before.</summary>
    public int Piece { get; set; } = int.MaxValue;

    public bool IsClosed { get; private set; }

    public int ReceivedBytes => received.Count;

    public int Yields { get; private set; }

    public ConversationState State => conversation.State;

    public IConversation Conversation => conversation;

    public int UnconsumedBytes => input.Count;

    public static byte[] Command(params ReadOnlySpan<string> arguments)
    {
        using var command = new MemoryStream();
        command.Write(Encoding.UTF8.GetBytes($"*{arguments.Length}\r\n"));
        foreach (var argument in arguments)
        {
            var bytes = Encoding.UTF8.GetBytes(argument);
            command.Write(Encoding.UTF8.GetBytes($"${bytes.Length}\r\n"));
            command.Write(bytes);
            command.Write("\r\n"u8);
        }

        return command.ToArray();
    }

    /// <summary>Sends a command, its arguments parted by blanks ("" is an empty one), and gives the reply with | for line ends.</summary>
    public string Ask(string command) => Call([.. command.Split(' ').Select(a => a == "\"\"" ? "" : a)]);

    public string Call(params ReadOnlySpan<string> arguments)
    {
        Send(Command(arguments));
        return TakeText();
    }

    public void Send(string raw) => Send(Encoding.UTF8.GetBytes(raw));

    public void Send(ReadOnlySpan<byte> bytes)
    {
        while (true)
        {
            var count = Math.Min(Piece, bytes.Length);
            input.AddRange(bytes[..count]);
            hasNew = true;
            Pump();
            bytes = bytes[count..];
            if (bytes.IsEmpty)
            {
                return;
            }
        }
    }

    /// <summary>What has been received since the last call.</summary>
    public byte[] Take()
    {
        var bytes = received.ToArray();
        received.Clear();
        return bytes;
    }

    public string TakeText() => Encoding.UTF8.GetString(Take()).Replace("\r\n", "|", StringComparison.Ordinal);

    /// <summary>Does what a transport would until there is nothing to do without an answer, new bytes, or the client.</summary>
    public void Pump()
    {
        // Loops have no context to come back to; a test has.
        SynchronizationContext.SetSynchronizationContext(null);
        for (var turns = 0; !IsClosed; turns++)
        {
            Assert.True(turns < 100_000, "The conversation does not come to rest.");
            if (Interlocked.Exchange(ref wakes, 0) != 0)
            {
                conversation.Continue();
            }

            while (Reads && !conversation.Unsent.IsEmpty)
            {
                var bytes = conversation.Unsent;
                received.AddRange(bytes);
                conversation.Sent(bytes.Length);
            }

            switch (conversation.State)
            {
                case ConversationState.Yielded:
                    Yields++;
                    Consume();
                    continue;
                case ConversationState.Reading when hasNew:
                    Consume();
                    continue;
                case ConversationState.Closing:
                    Close();
                    return;
                case var _ when Volatile.Read(ref wakes) != 0:
                    continue;
                default:
                    return;
            }
        }
    }

    public void Close()
    {
        if (!IsClosed)
        {
            IsClosed = true;
            conversation.Closed("the test is over");
        }
    }

    public void Wake()
    {
        Interlocked.Increment(ref wakes);
        woken?.TrySetResult();
    }

    /// <summary>Completes when an answer from another thread has come.</summary>
    public Task WokenAsync()
    {
        woken = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return woken.Task;
    }

    private void Consume()
    {
        hasNew = false;
        var offered = input.ToArray();
        input.RemoveRange(0, conversation.Consume(offered));

        // What was offered belongs to the transport's buffer, which others use now.
        Array.Fill(offered, (byte)'#');
    }
}
