using System.Globalization;
using Levee.Hosting;

namespace Levee.Serving;

/// <summary>One clean stop of a server: the one deadline that all its steps share, and what is said on the way and at the end.</summary>
public sealed class CleanStop : IProgress<TakeDownReport>, IDisposable
{
    private readonly CancellationTokenSource deadline;
    private readonly string program;
    private readonly TimeSpan timeout;
    private readonly TextWriter output;
    private readonly CancellationToken hurry;
    private readonly ITimer timer;

    /// <param name="program">The program's name, before each line.</param>
    /// <param name="timeout">How long the stop may take, from now on.</param>
    /// <param name="output">Where it is said how far it is.</param>
    /// <param name="time">The clock.</param>
    /// <param name="hurry">Ends it earlier: a second signal.</param>
    public CleanStop(string program, TimeSpan timeout, TextWriter output, TimeProvider time, CancellationToken hurry = default)
    {
        ArgumentNullException.ThrowIfNull(time);
        (this.program, this.timeout, this.output, this.hurry) = (program, timeout, TextWriter.Synchronized(output), hurry);
        deadline = CancellationTokenSource.CreateLinkedTokenSource(hurry);
        Time = time;
        timer = time.CreateTimer(static stop => ((CleanStop)stop!).deadline.Cancel(), this, timeout, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Is cancelled when the time is over.</summary>
    public CancellationToken Deadline => deadline.Token;

    /// <summary>Why <see cref="Deadline"/> was cancelled, for people.</summary>
    public string WhyEnded =>
        hurry.IsCancellationRequested ? "a second signal ended the stop" : $"the stop may take {Seconds(timeout)} ({ServeOption.StopTimeout.Flag})";

    internal TimeProvider Time { get; }

    /// <summary>Says how far a cache is.</summary>
    public void Report(TakeDownReport value)
    {
        ArgumentNullException.ThrowIfNull(value);
        Say($"stopping: cache {value.Cache}: {Count(value.Taken)} of {Count(value.Entries)} entries are down, {Megabytes(value.TakenBytes)} of {Megabytes(value.Bytes)}, after {Seconds(value.Time)}");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        timer.Dispose();
        deadline.Dispose();
    }

    /// <summary>Says that a tier is still waited for.</summary>
    internal void SayWaiting(string cache, TimeSpan since) => Say($"stopping: cache {cache}: the tiers write down what waits, since {Seconds(since)}");

    /// <summary>Says what became of a cache: nothing where it had nothing in memory and all is well.</summary>
    internal void SayEnd(TakeDownReport taken, IReadOnlyList<string> problems)
    {
        if (taken.Lost > 0)
        {
            var why = deadline.IsCancellationRequested ? WhyEnded : taken.Problem.Length > 0 ? taken.Problem : "the tier could not keep them";
            Say($"cache {taken.Cache}: {Count(taken.Lost)} of {Count(taken.Entries)} entries in memory are lost: {why}");
        }
        else if (taken.Entries > 0)
        {
            Say($"cache {taken.Cache}: {Count(taken.Entries)} entries in memory ({Megabytes(taken.Bytes)}) are in the tiers, after {Seconds(taken.Time)}");
        }

        foreach (var problem in problems)
        {
            Say($"cache {taken.Cache}: {problem}");
        }
    }

    private static string Count(long entries) => entries.ToString(CultureInfo.InvariantCulture);

    private static string Megabytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.#} MB");

    private static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.#} s");

    private void Say(string text) => output.WriteLine($"{program}: {text}");
}
