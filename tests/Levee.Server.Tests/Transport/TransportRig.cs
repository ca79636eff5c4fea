using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Net;
using Levee.Server.Transport;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Server.Tests.Transport;

/// <summary>A started transport with scripted conversations, and clients for it.</summary>
internal sealed class TransportRig : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly BlockingCollection<ScriptedConversation> begun = [];

    public TransportRig(string kind, ConsumeScript script, TransportLimits? limits = null, int loops = 1, Action<ScriptedConversation>? prepare = null)
        : this(kind, waker =>
        {
            var conversation = new ScriptedConversation(waker, script);
            prepare?.Invoke(conversation);
            return conversation;
        }, limits, loops)
    {
    }

    public TransportRig(string kind, Func<IWaker, ScriptedConversation?> make, TransportLimits? limits = null, int loops = 1)
    {
        Assert.SkipWhen(kind == "epoll" && !OperatingSystem.IsLinux(), "epoll is Linux'");
        Transport = Transports.Create(
            new IPEndPoint(IPAddress.Loopback, 0),
            (waker, remote) =>
            {
                var conversation = make(waker);
                if (conversation is not null)
                {
                    begun.Add(conversation);
                }

                return conversation;
            },
            limits ?? new TransportLimits(),
            loops,
            TimeProvider.System,
            NullLogger.Instance,
            portable: kind == "sockets");
        Transport.Start();
    }

    public static TheoryData<string> Kinds => ["epoll", "sockets"];

    public ITransport Transport { get; }

    public Socket Connect(int receiveBufferBytes = 0)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (receiveBufferBytes > 0)
        {
            client.ReceiveBufferSize = receiveBufferBytes;
        }

        client.ReceiveTimeout = client.SendTimeout = (int)Patience.TotalMilliseconds;
        client.Connect(Transport.EndPoint);
        return client;
    }

    /// <summary>The next conversation that has begun; they begin in the order of connecting when there is one loop.</summary>
    public ScriptedConversation Next() =>
        begun.TryTake(out var conversation, Patience) ? conversation : throw new TimeoutException("No conversation began.");

    public async ValueTask DisposeAsync()
    {
        await Transport.DisposeAsync();
        Assert.Equal(0, Transport.ConnectionCount);
        begun.Dispose();
    }
}

internal static class ClientSteps
{
    public static byte[] ReadExactly(this Socket client, int count)
    {
        var bytes = new byte[count];
        for (var read = 0; read < count;)
        {
            var more = client.Receive(bytes, read, count - read, SocketFlags.None);
            Assert.True(more > 0, $"The server closed after {read} of {count} bytes.");
            read += more;
        }

        return bytes;
    }

    public static byte[] ReadToEnd(this Socket client)
    {
        using var all = new MemoryStream();
        var piece = new byte[64 * 1024];
        for (int more; (more = client.Receive(piece)) > 0;)
        {
            all.Write(piece, 0, more);
        }

        return all.ToArray();
    }

    /// <summary>Whether the server has ended the connection, cleanly or with a reset.</summary>
    public static bool IsClosedByServer(this Socket client)
    {
        try
        {
            return client.Receive(new byte[1]) == 0;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted)
        {
            return true;
        }
    }

    public static void Reset(this Socket client)
    {
        client.LingerState = new LingerOption(true, 0);
        client.Close();
    }

    public static void AssertEchoes(this Socket client, string text = "still there\n")
    {
        var bytes = System.Text.Encoding.ASCII.GetBytes(text);
        client.Send(bytes);
        Assert.Equal(bytes, client.ReadExactly(bytes.Length));
    }

    /// <summary>Ends a line that was begun before.</summary>
    public static void AssertEchoesAfter(this Socket client, string begun, string rest)
    {
        client.Send(System.Text.Encoding.ASCII.GetBytes(rest));
        Assert.Equal(System.Text.Encoding.ASCII.GetBytes(begun + rest), client.ReadExactly(begun.Length + rest.Length));
    }

    public static async Task<string> Reason(this ScriptedConversation conversation) => await conversation.ClosedReason.WaitAsync(TransportRig.Patience);
}
