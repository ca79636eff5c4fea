using System.Runtime.InteropServices;

namespace Levee.Serving;

/// <summary>
/// SIGTERM and Ctrl-C of this process, from the first moment of a start on: a signal that comes while the server starts is not lost, and ends it as cleanly as a later one. The process ends when the program does, or at the third signal.
/// </summary>
public sealed class StopSignals : IDisposable
{
    // Neither is disposed of: a handler may run beside the end of its registration.
    private readonly CancellationTokenSource told = new();
    private readonly CancellationTokenSource again = new();
    private readonly PosixSignalRegistration interrupt;
    private readonly PosixSignalRegistration terminate;
    private int count;

    /// <summary>Begins to listen.</summary>
    public StopSignals()
    {
        interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Note);
        terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Note);
    }

    /// <summary>Is cancelled by the first signal: the server is to stop.</summary>
    public CancellationToken Told => told.Token;

    /// <summary>Is cancelled by the second signal: the stop is to take no more time.</summary>
    public CancellationToken Again => again.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        interrupt.Dispose();
        terminate.Dispose();
    }

    private void Note(PosixSignalContext context)
    {
        var number = Interlocked.Increment(ref count);
        context.Cancel = number <= 2;
        (number == 1 ? told : again).Cancel();
    }
}
