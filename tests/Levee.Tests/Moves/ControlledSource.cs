using Levee.Hosting;

namespace Levee.Tests.Moves;

/// <summary>A frozen copy in another host, behind calls that the test completes or fails one by one.</summary>
internal sealed class ControlledSource(LockHost host, int partition, long epoch) : IPartitionSource
{
    private readonly Lock gate = new();
    private readonly List<(TaskCompletionSource<byte[]> Done, Func<ValueTask<byte[]>> Ask)> pending = [];
    private bool answersAtOnce;
    private bool isDead;

    public int Chunks { get; private set; }

    public int Keys { get; private set; }

    public bool IsDropped { get; private set; }

    /// <summary>Whether calls are answered when they come.</summary>
    public bool AnswersAtOnce
    {
        set
        {
            lock (gate)
            {
                answersAtOnce = value;
            }

            while (value && TryComplete(0, fails: false))
            {
            }
        }
    }

    public ValueTask<byte[]> ReadChunkAsync(long position, CancellationToken cancellation)
    {
        Chunks++;
        return Ask(() => ValueTask.FromResult(host.ReadChunk(partition, epoch, position)));
    }

    public ValueTask<byte[]> ReadKeyAsync(byte[] key, int offset, CancellationToken cancellation)
    {
        Keys++;
        return Ask(() => host.ReadKeyAsync(partition, epoch, key, offset));
    }

    public ValueTask DropAsync()
    {
        if (!isDead)
        {
            host.Drop(partition, epoch);
            IsDropped = true;
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>The silo that has it dies.</summary>
    public void Die()
    {
        lock (gate)
        {
            isDead = true;
        }

        while (TryComplete(0, fails: true))
        {
        }
    }

    /// <summary>Ends a call that waits.</summary>
    public bool TryComplete(int choice, bool fails)
    {
        (TaskCompletionSource<byte[]> Done, Func<ValueTask<byte[]>> Ask) chosen;
        lock (gate)
        {
            if (pending.Count == 0)
            {
                return false;
            }

            chosen = pending[choice % pending.Count];
            pending.RemoveAt(choice % pending.Count);
        }

        if (fails)
        {
            chosen.Done.SetException(new IOException("the test says so"));
        }
        else
        {
            _ = FinishAsync(chosen.Done, chosen.Ask);
        }

        return true;
    }

    private static async Task FinishAsync(TaskCompletionSource<byte[]> done, Func<ValueTask<byte[]>> ask)
    {
        try
        {
            done.SetResult(await ask().ConfigureAwait(false));
        }
        catch (Exception failure) when (failure is InvalidOperationException or ArgumentException)
        {
            done.SetException(failure);
        }
    }

    private ValueTask<byte[]> Ask(Func<ValueTask<byte[]>> ask)
    {
        lock (gate)
        {
            if (isDead)
            {
                throw new IOException("the silo is dead");
            }

            if (!answersAtOnce)
            {
                var done = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
                pending.Add((done, ask));
                return new ValueTask<byte[]>(done.Task);
            }
        }

        return ask();
    }
}
