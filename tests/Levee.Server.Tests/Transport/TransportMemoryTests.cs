using System.Net.Sockets;
using Levee.Server.Transport;
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
            if (++lines == 2_000)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            if (lines == 6_000)
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

        Assert.True(lines >= 6_000, $"only {lines} batches");
        Assert.Equal(0, after - before);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Thousands_of_idle_connections_hold_no_buffers(string kind)
    {
        var count = Environment.GetEnvironmentVariable("LEVEE_LONG") == "1" ? 5_000 : 500;
        long first = 0;
        long last = 0;
        await using var rig = new TransportRig(kind, Scripts.EchoLines, prepare: _ =>
        {
            last = GC.GetAllocatedBytesForCurrentThread();
            first = first == 0 ? last : first;
        });
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
            TestContext.Current.TestOutputHelper?.WriteLine($"{(last - first) / (count - 1)} bytes allocated per connection by its loop, {(after - before) / count} kept per connection after traffic");
            if (kind == "epoll")
            {
                // The connection, its remote address, its place in the loop, the test's conversation (4,096 bytes of output buffer, and its own fields).
                Assert.InRange((last - first) / (count - 1), 4_096, 4_096 + 768);
            }

            Assert.InRange((after - before) / count, long.MinValue, 1_024);
            clients[0].AssertEchoes();
        }
        finally
        {
            clients.ForEach(client => client.Dispose());
        }
    }
}

/// <summary>Tests that run while no other does.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
