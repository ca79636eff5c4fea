using System.Net.Sockets;
using System.Text;
using Levee.Server.Tests.Transport;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>Clients that begin much and finish nothing, over real sockets, beside one that works.</summary>
[Collection(nameof(Alone))]
public sealed class HostileClientsTests
{
    public static TheoryData<string> Kinds => TransportRig.Kinds;

    private static readonly string Large = new('h', 1_000_000);

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Half_sent_commands_give_way_to_an_honest_client(string kind)
    {
        await using var rig = await ServerRig.StartAsync(kind);
        using var honest = rig.Connect();
        var head = Encoding.ASCII.GetBytes("*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$4000000\r\n");
        var many = Encoding.ASCII.GetBytes("*100001\r\n$4\r\nMSET\r\n" + string.Concat(Enumerable.Repeat("$100\r\n" + new string('a', 100) + "\r\n", 2500)));
        var clients = new List<Socket>();
        for (var i = 0; i < 60; i++)
        {
            var large = rig.Connect();
            large.Send(head);
            SendAll(large, new byte[200_000]);
            var small = rig.Connect();
            SendAll(small, many);
            clients.AddRange([large, small]);
            if (i % 10 == 9)
            {
                honest.Send(RespClient.Command("SET", "honest", Large));
                honest.Expect("+OK\r\n");
                honest.Send(RespClient.Command("GET", "honest"));
                honest.Expect($"$1000000\r\n{Large}\r\n");
            }
        }

        // 27 MB have been sent; what they hold is bounded.
        Assert.InRange(rig.Staging.HeldBytes, 1, 2 * rig.Staging.CapacityBytes);
        Assert.InRange(rig.Staging.DroppedHolders, 1, long.MaxValue);
        clients.ForEach(client => client.Dispose());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Clients_that_move_together_all_finish(string kind)
    {
        await using var rig = await ServerRig.StartAsync(kind);
        var value = new string('v', 3000);
        var command = RespClient.Command(["MSET", .. Enumerable.Range(0, 300).SelectMany(i => new[] { $"k{i}", value })]);
        var tasks = Enumerable.Range(0, 24).Select(_ => Task.Run(() =>
        {
            var client = rig.Connect();
            for (var done = 0; done < 3;)
            {
                SendAll(client, command);
                if (IsStored(client))
                {
                    done++;
                    continue;
                }

                // It did not get its share of a busy machine and had to give way: it comes again.
                client.Dispose();
                client = rig.Connect();
            }

            client.Dispose();
        }));
        await Task.WhenAll(tasks);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Readers_that_do_not_read_do_not_stop_writes(string kind)
    {
        await using var rig = await ServerRig.StartAsync(kind);
        using var honest = rig.Connect();
        var readers = new List<Socket>();
        for (var i = 0; i < 60; i++)
        {
            honest.Send(RespClient.Command("SET", "v", Large));
            honest.Expect("+OK\r\n");
            var reader = rig.Connect(4096);
            reader.Send(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("GET v\r\n", 8))));
            readers.Add(reader);
        }

        for (var i = 0; i < 20; i++)
        {
            honest.Send(RespClient.Command("SET", "v", Large));
            honest.Expect("+OK\r\n");
        }

        readers.ForEach(reader => reader.Dispose());
    }

    private static bool IsStored(Socket client)
    {
        try
        {
            var reply = new byte[5];
            return client.Receive(reply) == reply.Length && reply.AsSpan().SequenceEqual("+OK\r\n"u8);
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset)
        {
            return false;
        }
    }

    private static void SendAll(Socket client, byte[] bytes)
    {
        try
        {
            for (var sent = 0; sent < bytes.Length;)
            {
                sent += client.Send(bytes.AsSpan(sent));
            }
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown)
        {
            // It had to give way.
        }
    }
}
