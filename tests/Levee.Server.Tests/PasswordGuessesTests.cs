using System.Net;
using Xunit;

namespace Levee.Server.Tests;

/// <summary>Guessers are slowed down, and others are not.</summary>
public sealed class PasswordGuessesTests
{
    private static readonly IPAddress Guesser = IPAddress.Parse("10.0.0.1");
    private static readonly IPAddress Other = IPAddress.Parse("10.0.0.2");

    private readonly PasswordGuesses guesses = new();

    [Fact]
    public void The_wait_doubles_with_each_failure_up_to_its_limit()
    {
        double[] expected = [0, 0, 0, 0, 100, 200, 400, 800, 1600, 2000, 2000];
        foreach (var milliseconds in expected)
        {
            var turn = guesses.Begin(Guesser, 0);
            Assert.Equal((milliseconds, false), (turn.Delay.TotalMilliseconds, turn.IsRefused));
            if (turn.Delay > TimeSpan.Zero)
            {
                guesses.End(Guesser);
            }

            guesses.Fail(Guesser, 0);
        }
    }

    [Fact]
    public void An_address_without_failures_never_waits_whatever_others_do()
    {
        for (var host = 1; host <= 40; host++)
        {
            var guesser = new IPAddress([10, 0, 1, (byte)host]);
            FailOften(guesser);
            for (var attempt = 0; attempt < 40; attempt++)
            {
                guesses.Begin(guesser, 0);
            }
        }

        Assert.True(guesses.Begin(new IPAddress([10, 0, 1, 1]), 0).IsRefused);
        Assert.Equal(default, guesses.Begin(Other, 0));
    }

    [Fact]
    public void An_address_guesses_so_often_and_no_more_in_the_longest_delay()
    {
        FailOften(Guesser);
        for (var attempt = 0; attempt < PasswordGuesses.MostWaitingOfAddress; attempt++)
        {
            Assert.Equal(new GuessTurn(PasswordGuesses.LongestDelay, IsRefused: false), guesses.Begin(Guesser, 0));
        }

        Assert.True(guesses.Begin(Guesser, 0).IsRefused);
        guesses.End(Guesser);
        Assert.False(guesses.Begin(Guesser, 0).IsRefused);
    }

    [Fact]
    public void So_many_wait_in_all_and_no_more()
    {
        var waiting = 0;
        for (var host = 1; host <= 40; host++)
        {
            var guesser = new IPAddress([10, 0, 1, (byte)host]);
            FailOften(guesser);
            for (var attempt = 0; attempt < PasswordGuesses.MostWaitingOfAddress; attempt++)
            {
                waiting += guesses.Begin(guesser, 0).IsRefused ? 0 : 1;
            }
        }

        Assert.Equal(PasswordGuesses.MostWaiting, waiting);
    }

    [Fact]
    public void An_address_is_forgotten_a_while_after_its_last_failure()
    {
        FailOften(Guesser);
        var memory = (long)PasswordGuesses.Memory.TotalMilliseconds;
        Assert.Equal(PasswordGuesses.LongestDelay, guesses.Begin(Guesser, memory).Delay);
        guesses.End(Guesser);
        Assert.Equal(default, guesses.Begin(Guesser, memory + 1));
        Assert.Equal(1, guesses.Fail(Guesser, memory + 1));
    }

    [Fact]
    public void The_oldest_of_too_many_addresses_is_forgotten()
    {
        FailOften(Guesser);
        for (var i = 0; i < PasswordGuesses.MostAddresses; i++)
        {
            guesses.Fail(new IPAddress([11, 0, (byte)(i >> 8), (byte)i]), 1 + i);
        }

        Assert.Equal(PasswordGuesses.MostAddresses, guesses.AddressCount);
        Assert.Equal(default, guesses.Begin(Guesser, PasswordGuesses.MostAddresses));
    }

    [Theory]
    [InlineData("2001:db8::1", "2001:db8::ffff:1", true)]
    [InlineData("2001:db8::1", "2001:db8:0:1::1", false)]
    [InlineData("::ffff:10.0.0.1", "10.0.0.1", true)]
    [InlineData("10.0.0.1", "10.0.0.2", false)]
    public void A_network_of_one_subscriber_counts_as_one_address(string failed, string asks, bool isSame)
    {
        FailOften(IPAddress.Parse(failed));
        Assert.Equal(isSame, guesses.Begin(IPAddress.Parse(asks), 0).Delay > TimeSpan.Zero);
    }

    [Fact]
    public void One_line_goes_into_the_log_in_ten_seconds_and_counts_the_others()
    {
        var pace = new LogPace();
        Assert.True(pace.MayWrite(5, out var skipped));
        Assert.Equal(0, skipped);
        Assert.False(pace.MayWrite(6, out _));
        Assert.False(pace.MayWrite(10_004, out _));
        Assert.True(pace.MayWrite(10_005, out skipped));
        Assert.Equal(2, skipped);
    }

    private void FailOften(IPAddress address)
    {
        for (var i = 0; i < 20; i++)
        {
            guesses.Fail(address, 0);
        }
    }
}
