using Levee.Server.Resp;
using Levee.Server.Transport;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>Guesses over RESP wait, and hold up nobody else.</summary>
public sealed class PasswordTests
{
    private const string Wrong = "-WRONGPASS invalid username-password pair or user is disabled.|";

    [Theory]
    [InlineData("AUTH secret", "+OK|")]
    [InlineData("HELLO 2 AUTH default secret", "*14|")]
    [InlineData("AUTH wrong", "-WRONGPASS")]
    public async Task After_some_failures_the_next_attempt_waits_right_or_wrong(string attempt, string answer)
    {
        await using var rig = new RespRig(new RespOptions { Credentials = new Credentials("me", "secret") });
        var early = rig.Connect();
        Assert.Equal("+OK|", early.Ask("AUTH secret"));
        var guesser = rig.Connect();
        for (var i = 0; i <= PasswordGuesses.FreeFailures; i++)
        {
            Assert.Equal(Wrong, guesser.Ask("AUTH wrong" + i));
        }

        var woken = guesser.WokenAsync();
        guesser.Send(RespClient.Command(attempt.Split(' ')));
        guesser.Send(RespClient.Command("PING"));
        Assert.Equal(ConversationState.Paused, guesser.State);
        Assert.Equal("", guesser.TakeText());
        Assert.Equal("+PONG|", early.Ask("PING"));
        await woken;
        guesser.Pump();
        Assert.StartsWith(answer, guesser.TakeText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_leaves_while_it_waits_leaves_nothing_behind()
    {
        await using var rig = new RespRig(new RespOptions { Credentials = new Credentials("me", "secret") });
        var guesser = rig.Connect();
        for (var i = 0; i <= PasswordGuesses.FreeFailures; i++)
        {
            Assert.Equal(Wrong, guesser.Ask("AUTH wrong"));
        }

        guesser.Send(RespClient.Command("AUTH", "wrong"));
        Assert.Equal(ConversationState.Paused, guesser.State);
        guesser.Close();
        Assert.Equal(0, rig.Server.ConnectionCount);
    }
}
