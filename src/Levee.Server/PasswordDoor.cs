using System.Net;
using Microsoft.Extensions.Logging;

namespace Levee.Server;

/// <summary>Where all front doors ask for the password, so that guesses over one count on the others too: <see cref="Begin"/>, wait as long as it says, <see cref="Finish"/>.</summary>
public sealed partial class PasswordDoor
{
    private readonly Credentials credentials;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly PasswordGuesses guesses = new();
    private readonly LogPace pace = new();

    /// <param name="credentials">Who may come in.</param>
    /// <param name="time">The clock of the delays.</param>
    /// <param name="logger">Where wrong passwords are logged, with their addresses.</param>
    public PasswordDoor(Credentials credentials, TimeProvider time, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(credentials);
        ArgumentNullException.ThrowIfNull(time);
        (this.credentials, this.time, this.logger) = (credentials, time, logger);
    }

    /// <summary>Whether a password is asked for.</summary>
    public bool AreRequired => credentials.AreRequired;

    private long NowMs => (long)time.GetElapsedTime(0).TotalMilliseconds;

    /// <summary>Asks for an attempt's turn. Unless it is refused, <see cref="Finish"/> must follow.</summary>
    public GuessTurn Begin(IPAddress address)
    {
        var turn = AreRequired ? guesses.Begin(address, NowMs) : default;
        if (turn.IsRefused && pace.MayWrite(NowMs, out var skipped))
        {
            LogRefused(address, skipped);
        }

        return turn;
    }

    /// <summary>Completes when the delay of a turn is over. It does not end with its connection: who connects anew saves nothing.</summary>
    public Task WaitAsync(GuessTurn turn) => turn.Delay == TimeSpan.Zero ? Task.CompletedTask : Task.Delay(turn.Delay, time);

    /// <summary>Looks at the password, in constant time.</summary>
    /// <returns>Whether the client may come in.</returns>
    public bool Finish(IPAddress address, GuessTurn turn, ReadOnlySpan<byte> user, ReadOnlySpan<byte> password)
    {
        if (turn.Delay > TimeSpan.Zero)
        {
            guesses.End(address);
        }

        if (credentials.Accept(user, password))
        {
            return true;
        }

        var failures = guesses.Fail(address, NowMs);
        if (pace.MayWrite(NowMs, out var skipped))
        {
            LogWrongPassword(address, failures, skipped);
        }

        return false;
    }

    [LoggerMessage(340, LogLevel.Warning, "A wrong user or password came from {Address}, {Failures} from there by now; {Skipped} such attempts, from anywhere, were not logged since the last line", EventName = "WrongPassword")]
    private partial void LogWrongPassword(IPAddress address, int failures, long skipped);

    [LoggerMessage(341, LogLevel.Warning, "An attempt to log in from {Address} was refused unseen: too many that guess wait already; {Skipped} such attempts, from anywhere, were not logged since the last line", EventName = "GuessRefused")]
    private partial void LogRefused(IPAddress address, long skipped);
}
