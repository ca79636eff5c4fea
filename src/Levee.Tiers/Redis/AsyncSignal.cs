using System.Threading.Tasks.Sources;

namespace Levee.Tiers.Redis;

/// <summary>A flag that one loop waits for and any thread raises. Raising allocates nothing; raised several times before the loop looks, it counts once.</summary>
internal sealed class AsyncSignal : IValueTaskSource
{
    private const int Idle = 0;
    private const int Waiting = 1;
    private const int Raised = 2;

    private ManualResetValueTaskSourceCore<bool> source = new() { RunContinuationsAsynchronously = true };
    private int state;

    /// <summary>Wakes the loop, or lets its next wait pass.</summary>
    public void Raise()
    {
        if (Volatile.Read(ref state) != Raised && Interlocked.Exchange(ref state, Raised) == Waiting)
        {
            source.SetResult(true);
        }
    }

    /// <summary>Waits until it is raised, and lowers it. One loop at a time.</summary>
    public ValueTask WaitAsync()
    {
        if (Interlocked.CompareExchange(ref state, Idle, Raised) == Raised)
        {
            return ValueTask.CompletedTask;
        }

        source.Reset();
        var version = source.Version;
        if (Interlocked.CompareExchange(ref state, Waiting, Idle) != Idle)
        {
            Volatile.Write(ref state, Idle);
            return ValueTask.CompletedTask;
        }

        return new ValueTask(this, version);
    }

    void IValueTaskSource.GetResult(short token)
    {
        Volatile.Write(ref state, Idle);
        source.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => source.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        source.OnCompleted(continuation, state, token, flags);
}
