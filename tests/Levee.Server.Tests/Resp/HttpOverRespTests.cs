using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>An HTTP request to the RESP port is refused before anything in it runs.</summary>
public sealed class HttpOverRespTests
{
    private const string Body = "\r\nFLUSHALL\r\nSET owned yes\r\n*3\r\n$3\r\nSET\r\n$5\r\nowned\r\n$3\r\nyes\r\n";

    [Theory]
    [InlineData("POST / HTTP/1.1\r\nHost: 127.0.0.1:7379\r\nContent-Length: 26\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: localhost\r\n")]
    [InlineData("SET /owned HTTP/1.1\r\nHost: localhost\r\n")]
    [InlineData("PUT /a/b?c=d HTTP/1.0\r\n")]
    [InlineData("OPTIONS * HTTP/1.1\r\n")]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n")]
    [InlineData("\r\n\r\nPOST / HTTP/1.1\r\n")]
    [InlineData("post /\r\n")]
    [InlineData("hOST: localhost\r\n")]
    [InlineData("GET /a b HTTP/1.1\r\n")]
    [InlineData("DEL precious HTTP/1.1\r\n")]
    public async Task Nothing_of_it_runs_however_it_is_cut(string head)
    {
        await using var rig = new RespRig();
        var honest = rig.Connect();
        Assert.Equal("+OK|", honest.Ask("SET precious 1"));
        for (var piece = 1; piece <= head.Length + Body.Length; piece += 7)
        {
            var browser = rig.Connect();
            browser.Piece = piece;
            browser.Send(head + Body);
            Assert.True(browser.IsClosed);
            Assert.Equal("-ERR Protocol error: this is an HTTP request, and this port speaks RESP; HTTP has a port of its own|", browser.TakeText());
        }

        Assert.Equal("$1|1|", honest.Ask("GET precious"));
        Assert.Equal("$-1|", honest.Ask("GET owned"));
        Assert.Equal(":0|", honest.Ask("EXISTS /owned"));
    }

    [Fact]
    public async Task The_same_words_in_RESP_and_other_inline_commands_are_served()
    {
        await using var rig = new RespRig();
        var client = rig.Connect();
        Assert.Equal("+OK|", client.Ask("SET /path HTTP/1.1"));
        Assert.Equal("$8|HTTP/1.1|", client.Ask("GET /path"));
        client.Send("GET /path\r\n");
        Assert.Equal("$8|HTTP/1.1|", client.TakeText());
        client.Send("SET note http/1.1\r\nGET HTTP/1.1\r\n");
        Assert.Equal("+OK|$-1|", client.TakeText());
        Assert.False(client.IsClosed);
    }
}
