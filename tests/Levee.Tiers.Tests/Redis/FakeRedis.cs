using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Levee.Tiers.Tests.Redis;

/// <summary>A server that answers what the test says: a function of the command's words gives the reply's bytes; null: none, ever. What it does not know it answers as a friendly Redis would.</summary>
internal sealed class FakeRedis : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource closing = new();
    private readonly List<Task> conversations = [];
    private readonly Task accepting;
    private int clients;

    public FakeRedis()
    {
        listener.Start();
        accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>The reply to a command, or "" for the usual one; null for none.</summary>
    public Func<string[], string?> Script { get; set; } = _ => "";

    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        listener.Stop();
        await accepting;
        await Task.WhenAll(conversations);
        closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                conversations.Add(ConverseAsync(await listener.AcceptTcpClientAsync(closing.Token)));
            }
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ConverseAsync(TcpClient client)
    {
        var id = Interlocked.Increment(ref clients);
        try
        {
            using (client)
            {
                var stream = client.GetStream();
                using var reader = new StreamReader(stream, Encoding.Latin1);
                while (await ReadCommandAsync(reader) is { } command)
                {
                    if (Script(command) is not { } reply)
                    {
                        continue;
                    }

                    await stream.WriteAsync(Encoding.Latin1.GetBytes(reply.Length > 0 ? reply : Usual(command, id)), closing.Token);
                }
            }
        }
        catch (Exception end) when (end is OperationCanceledException or IOException or SocketException)
        {
        }
    }

    private async Task<string[]?> ReadCommandAsync(StreamReader reader)
    {
        if (await reader.ReadLineAsync(closing.Token) is not { Length: > 1 } head)
        {
            return null;
        }

        var words = new string[int.Parse(head.AsSpan(1))];
        for (var i = 0; i < words.Length; i++)
        {
            var length = int.Parse((await reader.ReadLineAsync(closing.Token)).AsSpan(1));
            var word = new char[length + 2];
            await reader.ReadBlockAsync(word, closing.Token);
            words[i] = new string(word, 0, length);
        }

        return words;
    }

    private static string Usual(string[] command, int id) => command switch
    {
        ["PING"] => "+PONG\r\n",
        ["CLIENT", "ID"] => $":{id}\r\n",
        ["CLIENT", "KILL", ..] => ":0\r\n",
        ["INFO", "server"] => "$12\r\nrun_id:abcde\r\n",
        ["INFO", "replication"] => "$11\r\nrole:master\r\n",
        ["SCAN", ..] => "*2\r\n$1\r\n0\r\n*0\r\n",
        ["GET", ..] => "$-1\r\n",
        ["GETRANGE", ..] => "$0\r\n\r\n",
        ["UNLINK", .. var keys] => $":{keys.Length}\r\n",
        _ => "+OK\r\n",
    };
}
