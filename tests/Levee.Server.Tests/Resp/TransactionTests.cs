using Levee.Server.Resp;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>There are no transactions: a MULTI is refused, and with it all that its client believes to be in the transaction.</summary>
public sealed class TransactionTests
{
    private const string NotRun =
        "-ERR not run: it follows a MULTI that was refused, and nothing runs on this connection until EXEC, DISCARD or RESET|";

    private const string Alternative =
        "Use a pipeline without MULTI (redis-py: pipeline(transaction=False)), SET with NX, XX, IFEQ or IFVERSION, DELEX, " +
        "or a hash for what changes together|";

    private const string Refused = "-ERR transactions are not supported, and nothing of this one is run. " + Alternative;

    private const string Aborted =
        "-EXECABORT Transaction discarded because MULTI was refused: transactions are not supported, nothing was run. " + Alternative;

    [Fact]
    public async Task A_transaction_in_one_packet_changes_nothing_and_is_answered_in_order()
    {
        await using var rig = new RespRig();
        var client = rig.Connect();
        client.Send("SET a before\r\nMULTI\r\nSET a 1\r\nINCR n\r\nDEL a\r\nFLUSHALL\r\nNOTHING\r\nEXEC\r\nGET a\r\nEXISTS n\r\n");
        Assert.Equal(
            $"+OK|{Refused}{NotRun}{NotRun}{NotRun}{NotRun}-ERR unknown command 'NOTHING', with args beginning with: |{Aborted}$6|before|:0|",
            client.TakeText());
    }

    [Fact]
    public async Task A_transaction_that_comes_byte_by_byte_with_a_large_value_changes_nothing()
    {
        await using var rig = new RespRig();
        var client = rig.Connect();
        client.Piece = 1000;
        client.Send(
        [
            .. RespClient.Command("MULTI"), .. RespClient.Command("SET", "big", new string('x', 100_000)), .. RespClient.Command("EXEC"),
            .. RespClient.Command("EXISTS", "big"),
        ]);
        Assert.Equal($"{Refused}{NotRun}{Aborted}:0|", client.TakeText());
    }

    [Theory]
    [InlineData("EXEC", Aborted)]
    [InlineData("DISCARD", "+OK|")]
    [InlineData("RESET", "+RESET|")]
    public async Task It_ends_with(string command, string reply)
    {
        await using var rig = new RespRig();
        var client = rig.Connect();
        Assert.Equal(Refused, client.Ask("MULTI"));
        Assert.Equal(Refused, client.Ask("multi"));
        Assert.Equal(NotRun, client.Ask("PING"));
        Assert.Equal(NotRun, client.Ask("UNWATCH"));
        Assert.Equal(reply, client.Ask(command));
        Assert.Equal("+OK|", client.Ask("SET a 1"));
        Assert.Equal("+OK|", client.Ask("UNWATCH"));
    }

    [Fact]
    public async Task It_concerns_its_own_connection_alone_and_quits()
    {
        await using var rig = new RespRig();
        var client = rig.Connect();
        var other = rig.Connect();
        client.Ask("MULTI");
        Assert.Equal("+OK|", other.Ask("SET a 1"));
        Assert.Equal("+OK|", client.Ask("QUIT"));
        Assert.True(client.IsClosed);
    }

    [Fact]
    public async Task Without_multi_its_ends_are_errors_and_watch_is_refused()
    {
        await using var rig = new RespRig();
        var client = rig.Connect();
        Assert.Equal("-ERR EXEC without MULTI|", client.Ask("EXEC"));
        Assert.Equal("-ERR DISCARD without MULTI|", client.Ask("DISCARD"));
        Assert.StartsWith("-ERR WATCH is not supported", client.Ask("WATCH a b"), StringComparison.Ordinal);
        Assert.Equal("+PONG|", client.Ask("PING"));
        Assert.Equal("+OK|", client.Ask("UNWATCH"));
    }

    [Fact]
    public async Task A_stranger_is_asked_for_a_password_first()
    {
        await using var rig = new RespRig(new RespOptions { Credentials = new Credentials("default", "secret") });
        var client = rig.Connect();
        Assert.Equal("-NOAUTH Authentication required.|", client.Ask("MULTI"));
        Assert.Equal("+OK|", client.Ask("AUTH secret"));
        Assert.Equal(Refused, client.Ask("MULTI"));
        Assert.Equal("+RESET|", client.Ask("RESET"));
        Assert.Equal("-NOAUTH Authentication required.|", client.Ask("PING"));
    }

    [Theory]
    [InlineData("EVAL_RO x 0", "DELEX key IFEQ token")]
    [InlineData("function LIST", "DELEX key IFEQ token")]
    [InlineData("FCALL f 0", "DELEX key IFEQ token")]
    [InlineData("SUBSCRIBE c", "DELTAG")]
    [InlineData("PUBLISH c m", "DELTAG")]
    [InlineData("ZADD k 1 m", "DELTAG")]
    [InlineData("SADD k m", "DELTAG")]
    [InlineData("LPUSH k m", "message broker")]
    [InlineData("XADD k * f v", "message broker")]
    [InlineData("HEXPIRE k 1 FIELDS 1 f", "EXPIRE the hash")]
    [InlineData("MSETEX 1 k v", "pipeline")]
    public async Task What_there_is_not_names_what_to_use_instead(string command, string alternative)
    {
        await using var rig = new RespRig();
        var reply = rig.Connect().Ask(command);
        Assert.StartsWith($"-ERR unknown command '{command.Split(' ')[0]}'", reply, StringComparison.Ordinal);
        Assert.Contains(alternative, reply, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_missing_is_not_there() => Assert.All(
        MissingCommands.All.SelectMany(family => family.Names),
        name => Assert.Null(CommandTable.Find(System.Text.Encoding.ASCII.GetBytes(name))));
}
