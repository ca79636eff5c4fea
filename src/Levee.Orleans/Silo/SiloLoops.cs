namespace Levee.Orleans.Silo;

/// <summary>
/// Background work that goes on until it is ended, all of it at once. Work that fails is logged, counted and begun again. Safe for threads.
/// </summary>
internal sealed class SiloLoops : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource ending = new();
    private readonly List<Task> loops = [];
    private readonly TimeProvider time;
    private readonly SiloLog log;
    private long failures;

    /// <param name="time">Measures the pause before work is begun again.</param>
    /// <param name="log">Hears of failures.</param>
    public SiloLoops(TimeProvider time, SiloLog log)
    {
        this.time = time;
        this.log = log;
        Token = ending.Token;
    }

    /// <summary>Cancelled when the work is to end. May be asked for at any time, also after the end.</summary>
    public CancellationToken Token { get; }

    /// <summary>Whether the work was told to end.</summary>
    public bool IsOver => ending.IsCancellationRequested;

    /// <summary>How often work failed and was begun again.</summary>
    public long Failures => Interlocked.Read(ref failures);

    /// <summary>Begins work.</summary>
    /// <param name="what">What it does, for people: it is "renewing the lease".</param>
    /// <param name="loop">The work. It ends when it is cancelled, or when there is nothing to do.</param>
    public void Begin(string what, Func<CancellationToken, Task> loop)
    {
        lock (loops)
        {
            loops.Add(Task.Run(() => RunAsync(what, loop), CancellationToken.None));
        }
    }

    /// <summary>Tells all work to end, and completes when it has.</summary>
    public async Task EndAsync()
    {
        await ending.CancelAsync();
        Task[] begun;
        lock (loops)
        {
            begun = [.. loops];
        }

        await Task.WhenAll(begun);
    }

    /// <inheritdoc/>
    public void Dispose() => ending.Dispose();

    private async Task RunAsync(string what, Func<CancellationToken, Task> loop)
    {
        while (!ending.IsCancellationRequested)
        {
            try
            {
                await loop(Token);
                return;
            }
            catch (OperationCanceledException) when (ending.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failure)
            {
                Interlocked.Increment(ref failures);
                log.LoopFailed(what, failure);
            }

            await Task.Delay(Pause, time, Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
