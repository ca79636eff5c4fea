using System.Net;
using System.Net.Sockets;
using Levee.Server.Transport;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Server.Tests.Transport;

/// <summary>What connections and their traffic cost in memory. Alone, since other tests' garbage would count.</summary>
[Collection(nameof(Alone))]
public sealed class TransportMemoryTests
{
    public static TheoryData<string> Kinds => TransportRig.Kinds;

    [Fact]
    public async Task An_epoll_loop_allocates_nothing_per_read_and_write()
    {
        long before = 0;
        long after = 0;
        var lines = 0;
        await using var rig = new TransportRig("epoll", (conversation, input) =>
        {
            // On the loop's thread: all that it allocates between two batches is seen here. Odd batches leave half a line behind.
            if (++lines == 1_000)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            if (lines == 4_000)
            {
                after = GC.GetAllocatedBytesForCurrentThread();
            }

            if (lines % 5 == 0)
            {
                conversation.Waker.Wake();
            }

            conversation.State = lines % 7 == 0 ? ConversationState.Yielded : ConversationState.Reading;
            return Scripts.EchoLines(conversation, input);
        });
        using var client = rig.Connect();
        using var second = rig.Connect();
        var received = new byte[64];
        for (var i = 0; i < 4_000; i++)
        {
            var sender = i % 3 == 0 ? second : client;
            sender.Send("one and a "u8);
            sender.Send("half line\nleft "u8);
            sender.Send("over\n"u8);
            for (var read = 0; read < 30;)
            {
                read += sender.Receive(received);
            }
        }

        Assert.True(lines >= 4_000, $"only {lines} batches");
        Assert.Equal(0, after - before);
    }

    [Fact]
    public async Task An_idle_connection_costs_an_epoll_loop_at_most_256_bytes()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "epoll is Linux'");
        const int count = 513;
        long[] allocated = new long[count];
        var made = 0;
        using var all = new CountdownEvent(count);
        var shared = new SilentConversation();
        await using var transport = new EpollTransport(
            new IPEndPoint(IPAddress.Loopback, 0),
            (_, _) =>
            {
                allocated[made++] = GC.GetAllocatedBytesForCurrentThread();
                all.Signal();
                return shared;
            },
            new TransportLimits(),
            1,
            TimeProvider.System,
            NullLogger.Instance);
        transport.Start();
        var clients = new List<Socket>(count);
        for (var i = 0; i < count; i++)
        {
            clients.Add(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            clients[i].Connect(transport.EndPoint);
        }

        Assert.True(all.Wait(TransportRig.Patience, TestContext.Current.CancellationToken));
        clients.ForEach(client => client.Dispose());

        // All that the loop allocates for a connection: the connection itself, its remote address, its share of the table of connections.
        var bytes = (allocated[^1] - allocated[0]) / (count - 1);
        TestContext.Current.TestOutputHelper?.WriteLine($"{bytes} bytes per idle connection");
        Assert.InRange(bytes, 100, 256);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Thousands_of_idle_connections_hold_no_buffers(string kind)
    {
        var count = Environment.GetEnvironmentVariable("LEVEE_LONG") == "1" ? 5_000 : 500;
        await using var rig = new TransportRig(kind, Scripts.EchoLines);
        var clients = new List<Socket>(count);
        try
        {
            for (var i = 0; i < count; i++)
            {
                clients.Add(rig.Connect());
            }

            // Each has talked once, with half a line kept for a while, and then fallen silent.
            var before = GC.GetTotalMemory(forceFullCollection: true);
            foreach (var client in clients)
            {
                client.Send("hello"u8);
            }

            foreach (var client in clients)
            {
                client.AssertEchoesAfter("hello", "\n");
            }

            var after = GC.GetTotalMemory(forceFullCollection: true);
            Assert.Equal(count, rig.Transport.ConnectionCount);
            Assert.InRange((after - before) / count, long.MinValue, 1_024);
            clients[0].AssertEchoes();
        }
        finally
        {
            clients.ForEach(client => client.Dispose());
        }
    }
}

/// <summary>A conversation that has nothing of its own.</summary>
internal sealed class SilentConversation : IConversation
{
    public ConversationState State => ConversationState.Reading;

    public ReadOnlySpan<byte> Unsent => [];

    public int Consume(ReadOnlySpan<byte> input) => input.Length;

    public void Continue()
    {
    }

    public void Sent(int count)
    {
    }

    public void Closed(string reason)
    {
    }
}

/// <summary>Tests that run while no other does.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
