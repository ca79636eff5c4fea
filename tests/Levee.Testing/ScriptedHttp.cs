using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Levee.Testing;

/// <summary>An HTTP server that answers as it is told, also wrongly: it can be silent, or end its answer early. It keeps what it was asked.</summary>
public sealed class ScriptedHttp : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly Func<HttpQuestion, HttpAnswer> script;
    private readonly ConcurrentQueue<HttpQuestion> questions = new();
    private readonly Task accepting;

    /// <param name="script">The answer to each request.</param>
    public ScriptedHttp(Func<HttpQuestion, HttpAnswer> script)
    {
        this.script = script;
        listener.Start();
        accepting = AcceptAsync();
    }

    public string Address => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

    public IReadOnlyCollection<HttpQuestion> Questions => questions;

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Stop();
        await accepting;
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(ServeAsync(await listener.AcceptTcpClientAsync(stop.Token)));
            }
        }
        catch (Exception stopped) when (stopped is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeAsync(TcpClient connection)
    {
        using (connection)
        {
            try
            {
                var stream = connection.GetStream();
                while (await ReadAsync(stream) is { } question)
                {
                    questions.Enqueue(question);
                    var answer = script(question);
                    if (answer.IsSilent)
                    {
                        await Task.Delay(Timeout.Infinite, stop.Token);
                    }

                    var head = new StringBuilder($"HTTP/1.1 {answer.Status} Scripted\r\nContent-Length: {answer.Body.Length}\r\n");
                    foreach (var (name, value) in answer.Headers)
                    {
                        head.Append(name).Append(": ").Append(value).Append("\r\n");
                    }

                    await stream.WriteAsync(Encoding.ASCII.GetBytes(head.Append("\r\n").ToString()), stop.Token);
                    await stream.WriteAsync(answer.Body.AsMemory(0, answer.SentBytes ?? answer.Body.Length), stop.Token);
                    if (answer.SentBytes is not null)
                    {
                        return;
                    }
                }
            }
            catch (Exception ended) when (ended is IOException or OperationCanceledException)
            {
                // The client has gone, or the test is over.
            }
        }
    }

    private async Task<HttpQuestion?> ReadAsync(NetworkStream stream)
    {
        var head = new List<byte>();
        var one = new byte[1];
        while (head.Count < 4 || !head[^4..].SequenceEqual("\r\n\r\n"u8.ToArray()))
        {
            if (await stream.ReadAsync(one, stop.Token) == 0)
            {
                return null;
            }

            head.Add(one[0]);
        }

        var lines = Encoding.ASCII.GetString([.. head]).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var headers = lines[1..].Select(line => line.Split(':', 2)).ToDictionary(pair => pair[0], pair => pair[1].Trim(), StringComparer.OrdinalIgnoreCase);
        if (headers.ContainsKey("Expect"))
        {
            await stream.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(), stop.Token);
        }

        var body = new byte[headers.TryGetValue("Content-Length", out var length) ? int.Parse(length) : 0];
        await stream.ReadExactlyAsync(body, stop.Token);
        var first = lines[0].Split(' ');
        return new HttpQuestion(first[0], first[1], headers, body);
    }
}

/// <summary>A request as it came.</summary>
public sealed record HttpQuestion(string Method, string Target, IReadOnlyDictionary<string, string> Headers, byte[] Body);

/// <summary>An answer as it is to go out.</summary>
/// <param name="Status">The status.</param>
/// <param name="Body">The body; its length is announced.</param>
/// <param name="SentBytes">How much of the body is sent before the connection ends; null for all of it, and the connection lives on.</param>
/// <param name="IsSilent">Nothing is answered at all.</param>
public sealed record HttpAnswer(int Status, byte[] Body, int? SentBytes = null, bool IsSilent = false)
{
    public static HttpAnswer Silence { get; } = new(0, [], IsSilent: true);

    public Dictionary<string, string> Headers { get; init; } = [];

    public static HttpAnswer Xml(int status, string body) => new(status, Encoding.UTF8.GetBytes(body)) { Headers = new() { ["Content-Type"] = "application/xml" } };
}
