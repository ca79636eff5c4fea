using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>A redis-server of the test's own, and a plain client for it.</summary>
internal sealed class RealRedis : IDisposable
{
    private static readonly byte[] Mark = "$18\r\nend-of-the-replies\r\n"u8.ToArray();
    private readonly Process process;
    private readonly Socket socket;

    private RealRedis(Process process, Socket socket)
    {
        this.process = process;
        this.socket = socket;
    }

    public static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(p => Path.Combine(p, program)).FirstOrDefault(File.Exists);

    public static async Task<RealRedis> StartAsync()
    {
        var program = Find("redis-server");
        Assert.SkipWhen(program is null, "redis-server is not on PATH");
        var port = FreePort();
        var process = Process.Start(new ProcessStartInfo(program, $"--port {port} --bind 127.0.0.1 --save \"\" --appendonly no --databases 2") { RedirectStandardOutput = true })!;
        process.BeginOutputReadLine();
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 20_000 };
        for (var i = 0; ; i++)
        {
            try
            {
                socket.Connect(IPAddress.Loopback, port);
                return new RealRedis(process, socket);
            }
            catch (SocketException) when (i < 400)
            {
                await Task.Delay(25, TestContext.Current.CancellationToken);
            }
        }
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>The reply to a command, with | for line ends.</summary>
    public string Call(params ReadOnlySpan<string> arguments)
    {
        socket.Send([.. RespClient.Command(arguments), .. RespClient.Command("ECHO", "end-of-the-replies")]);
        var received = new List<byte>();
        var piece = new byte[64 * 1024];
        while (received.Count < Mark.Length || !received[^Mark.Length..].SequenceEqual(Mark))
        {
            var count = socket.Receive(piece);
            Assert.True(count > 0, "redis-server has closed the connection");
            received.AddRange(piece.AsSpan(0, count));
        }

        return Encoding.UTF8.GetString([.. received[..^Mark.Length]]).Replace("\r\n", "|", StringComparison.Ordinal);
    }

    public void Dispose()
    {
        socket.Dispose();
        process.Kill();
        process.WaitForExit(5000);
        process.Dispose();
    }
}
