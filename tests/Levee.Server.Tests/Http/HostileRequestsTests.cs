using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Levee.Server.Tests.Http;

/// <summary>Requests that announce much and send little.</summary>
public sealed class HostileRequestsTests
{
    private const int ValueBytes = 1_000_000;

    [Fact]
    public async Task Announced_bodies_take_nothing_and_hold_nobody_up()
    {
        await using var server = await HttpServer.StartAsync();
        var before = server.Cache.HeldBytes;
        var clients = Enumerable.Range(0, 40).Select(i => Announce(server, i, 3)).ToList();
        for (var i = 0; i < 8; i++)
        {
            using var put = await server.PutAsync($"caches/default/keys/honest{i}", new byte[ValueBytes]);
            Assert.Equal(HttpStatusCode.NoContent, put.StatusCode);
        }

        using var removed = await server.DeleteAsync("caches/default/keys?all=true");
        while (server.Cache.MaintainOnce())
        {
        }

        Assert.InRange(server.Cache.HeldBytes - before, 0, ValueBytes);
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task Half_sent_bodies_give_way_with_an_answer_that_says_so()
    {
        await using var server = await HttpServer.StartAsync();
        var clients = Enumerable.Range(0, 120).Select(i => Announce(server, i, 900_000)).ToList();
        for (var i = 0; i < 8; i++)
        {
            using var put = await server.PutAsync($"caches/default/keys/honest{i}", new byte[ValueBytes]);
            Assert.Equal(HttpStatusCode.NoContent, put.StatusCode);
        }

        var area = server.Services.GetRequiredService<StagingArea>();
        Assert.InRange(area.HeldBytes, 0, 2 * area.CapacityBytes);
        Assert.InRange(area.DroppedHolders, 1, long.MaxValue);
        var answered = clients.Select(Answer).First(answer => answer.Length > 0);
        Assert.Contains(" 503 ", answered, StringComparison.Ordinal);
        Assert.Contains(StagingArea.GaveWay, answered, StringComparison.Ordinal);
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task Values_of_every_size_arrive_whole_with_and_without_a_length()
    {
        await using var server = await HttpServer.StartAsync();
        foreach (var length in new[] { 0, 1, 8191, 8192, 8193, 65_535, 65_536, 65_537, 200_000, ValueBytes })
        {
            var value = new byte[length];
            new Random(length).NextBytes(value);
            using var put = await server.PutAsync("caches/default/keys/known", value);
            Assert.Equal(HttpStatusCode.NoContent, put.StatusCode);
            Assert.Equal(value, await server.GetBytesAsync("caches/default/keys/known"));
            using var request = new HttpRequestMessage(HttpMethod.Put, "caches/default/keys/chunked") { Content = new ByteArrayContent(value) };
            request.Headers.TransferEncodingChunked = true;
            using var chunked = await server.SendAsync(request);
            Assert.Equal(HttpStatusCode.NoContent, chunked.StatusCode);
            Assert.Equal(value, await server.GetBytesAsync("caches/default/keys/chunked"));
        }
    }

    private static Socket Announce(HttpServer server, int number, int sent)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 20, SendTimeout = 20_000 };
        client.Connect(IPEndPoint.Parse(server.Client.BaseAddress!.Authority));
        client.Send(Encoding.ASCII.GetBytes($"PUT /caches/default/keys/half{number} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {ValueBytes}\r\n\r\n"));
        var body = new byte[sent];
        try
        {
            for (var count = 0; count < sent;)
            {
                count += client.Send(body.AsSpan(count));
            }
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown)
        {
            // It had to give way.
        }

        return client;
    }

    private static string Answer(Socket client)
    {
        var bytes = new byte[2000];
        try
        {
            return Encoding.UTF8.GetString(bytes, 0, client.Receive(bytes));
        }
        catch (SocketException)
        {
            return "";
        }
    }
}
