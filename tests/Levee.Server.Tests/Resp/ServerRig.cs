using System.Net;
using System.Net.Sockets;
using System.Text;
using Levee.Hosting;
using Levee.Server.Resp;
using Levee.Server.Transport;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>A whole server on free ports, and plain clients for it.</summary>
internal sealed class ServerRig : IAsyncDisposable
{
    private readonly LockHost cache;
    private readonly LeveeServer server;

    private ServerRig(string kind, TransportLimits? limits, RespOptions? options)
    {
        Assert.SkipWhen(kind == "epoll" && !OperatingSystem.IsLinux(), "epoll is Linux'");
        cache = new LockHost(new CacheOptions { MemoryBytes = 64L << 20 }, TimeProvider.System);
        server = new LeveeServer(
            new CacheCatalog([cache]),
            new ServerOptions
            {
                Resp = new IPEndPoint(IPAddress.Loopback, 0), Http = new IPEndPoint(IPAddress.Loopback, 0), MemoryBytes = 64L << 20, IoThreads = 1, UsesPortableTransport = kind == "sockets",
                Limits = limits ?? new TransportLimits(), RespOptions = options ?? new RespOptions(),
            },
            cache.Clock,
            TimeProvider.System,
            NullLoggerFactory.Instance);
    }

    public int Port => server.RespEndPoint.Port;

    public StagingArea Staging => server.Staging;

    public static async Task<ServerRig> StartAsync(string kind = "epoll", TransportLimits? limits = null, RespOptions? options = null)
    {
        var rig = new ServerRig(kind, limits, options);
        await rig.server.StartAsync(TestContext.Current.CancellationToken);
        return rig;
    }

    public Socket Connect(int receiveBufferBytes = 0)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 20_000, SendTimeout = 20_000 };
        if (receiveBufferBytes > 0)
        {
            client.ReceiveBufferSize = receiveBufferBytes;
        }

        client.Connect(server.RespEndPoint);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        await server.StopAsync(CancellationToken.None);
        await server.DisposeAsync();
        await cache.DisposeAsync();
    }
}

internal static class SocketTalk
{
    public static void Expect(this Socket client, string reply)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(reply)];
        var read = 0;
        while (read < bytes.Length)
        {
            var count = client.Receive(bytes.AsSpan(read));
            Assert.True(count > 0, $"Closed after {read} of {bytes.Length} bytes: {Encoding.UTF8.GetString(bytes.AsSpan(0, Math.Min(read, 200)))}");
            read += count;
        }

        Assert.Equal(reply, Encoding.UTF8.GetString(bytes));
    }

    public static void AssertPongs(this Socket client)
    {
        client.Send("PING\r\n"u8);
        client.Expect("+PONG\r\n");
    }

    /// <summary>All until the server closes; what came before a reset counts.</summary>
    public static string ReadUntilClosed(this Socket client)
    {
        var text = new StringBuilder();
        var piece = new byte[4096];
        try
        {
            for (int count; (count = client.Receive(piece)) > 0;)
            {
                text.Append(Encoding.Latin1.GetString(piece, 0, count));
            }
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset)
        {
        }

        return text.ToString();
    }
}
