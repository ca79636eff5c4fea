using System.Diagnostics.CodeAnalysis;
using System.Threading.Tasks.Sources;
using Levee.Operations;

namespace Levee.Server.Resp;

/// <summary>Looks at one answer of an operation that has many, while the partition is held.</summary>
internal delegate void AnswerFold(scoped in Answer answer);

/// <summary>
/// Commands of several steps. A step asks and awaits the answer; where that comes later, the command goes on when the loop calls <see cref="Continue"/>, on the loop's own thread:
/// nothing waits on a loop, and no step runs beside another. A command whose client leaves meanwhile is still carried through, on the thread pool.
/// </summary>
internal sealed partial class RespConversation
{
    private Task steps = Task.CompletedTask;
    private Asker? asker;
    private volatile bool hasLeft;

    /// <summary>From here on a command waits until the client has read of its reply.</summary>
    private const int DrainBytes = 64 * 1024;

    /// <summary>Runs a command of several steps; its replies may be written after each.</summary>
    public void RunSteps(Task command)
    {
        if (!command.IsCompletedSuccessfully)
        {
            steps = ObserveAsync(command);
            return;
        }

        steps = Task.CompletedTask;
        EndSteps();
    }

    /// <summary>Submits an operation and gives its answer.</summary>
    /// <param name="operation">The operation; what it borrows must live until this returns, not longer.</param>
    /// <param name="fold">Takes each <see cref="Outcome.Item"/>.</param>
    public ValueTask<AnswerCopy> Ask(scoped in Operation operation, AnswerFold? fold = null)
    {
        asker ??= new Asker(this);
        return asker.Ask(operation, fold);
    }

    /// <summary>Lets the other connections of the loop have their turn.</summary>
    public ValueTask<AnswerCopy> NextTurn()
    {
        asker ??= new Asker(this);
        return asker.NextTurn();
    }

    /// <summary>Completes when the client has read so much that more of a long reply may be written.</summary>
    /// <returns>False where the client has left: nobody reads the rest.</returns>
    public async ValueTask<bool> Drained()
    {
        if (!hasLeft && UnsentBytes >= DrainBytes)
        {
            asker ??= new Asker(this);
            await asker.Drained();
        }

        return !hasLeft;
    }

    /// <summary>Completes when work that is done elsewhere has ended, well or not.</summary>
    public ValueTask<AnswerCopy> Until(Task work)
    {
        asker ??= new Asker(this);
        return asker.Until(work);
    }

    /// <summary>
    /// Runs a command over everything when it is its turn among those of all connections (<see cref="RespServer.LongCommands"/>).
    /// </summary>
    public async Task RunLong(Func<Task> command)
    {
        var turn = server.LongCommands.WaitAsync();
        await Until(turn);
        try
        {
            if (!hasLeft)
            {
                await command();
            }
        }
        finally
        {
            server.LongCommands.Release();
        }
    }

    private void ContinueSteps() => asker?.Continue();

    private void WakeWhenDrained()
    {
        if (asker is { IsDrainAwaited: true } && UnsentBytes < DrainBytes)
        {
            waker.Wake();
        }
    }

    private void EndSteps()
    {
        StepBytes = 0;
        Source = null;
    }

    private async Task ObserveAsync(Task command)
    {
        try
        {
            await command;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            server.LogFailure(this, exception);
            isClosing = true;
        }

        EndSteps();
        if (hasLeft)
        {
            sending.Dispose();
        }
    }

    [SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "An answer passes through to the command that awaits it.")]
    private sealed class Asker(RespConversation conversation) : IAnswerSink, IValueTaskSource<AnswerCopy>
    {
        private readonly Lock gate = new();
        private ManualResetValueTaskSourceCore<AnswerCopy> source;
        private AnswerFold? fold;
        private AnswerCopy? answer;
        private bool isTurnAsked;
        private volatile bool isDrainAwaited;
        private bool isAwaited;
        private long ticket;

        public ValueTask<AnswerCopy> Ask(scoped in Operation operation, AnswerFold? itemFold)
        {
            fold = itemFold;
            conversation.Cache.Submit(operation, this, ++ticket);
            conversation.Cache.Flush(this);
            lock (gate)
            {
                if (answer is { } now)
                {
                    answer = null;
                    conversation.Counters.Count(operation.Kind, now.Outcome);
                    return ValueTask.FromResult(now);
                }

                isAwaited = true;
                source.Reset();
                return new ValueTask<AnswerCopy>(this, source.Version);
            }
        }

        public ValueTask<AnswerCopy> Until(Task work)
        {
            if (work.IsCompleted)
            {
                return default;
            }

            lock (gate)
            {
                isAwaited = true;
                source.Reset();
            }

            _ = work.ContinueWith(static (_, asker) => ((Asker)asker!).Answer(0, new Answer(Outcome.Done)), this, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            return new ValueTask<AnswerCopy>(this, source.Version);
        }

        public bool IsDrainAwaited => isDrainAwaited;

        public ValueTask<AnswerCopy> Drained()
        {
            source.Reset();
            isDrainAwaited = true;
            return new ValueTask<AnswerCopy>(this, source.Version);
        }

        public ValueTask<AnswerCopy> NextTurn()
        {
            if (conversation.hasLeft)
            {
                return default;
            }

            isTurnAsked = true;
            source.Reset();
            conversation.waker.Wake();
            return new ValueTask<AnswerCopy>(this, source.Version);
        }

        public void Answer(long answered, in Answer given)
        {
            if (given.Outcome == Outcome.Item)
            {
                fold?.Invoke(given);
                return;
            }

            bool wakes;
            bool hasLoop;
            lock (gate)
            {
                answer = new AnswerCopy(given);
                wakes = isAwaited;
                hasLoop = !conversation.hasLeft;
            }

            if (wakes && hasLoop)
            {
                conversation.waker.Wake();
            }
            else if (wakes)
            {
                ContinueElsewhere();
            }
        }

        /// <summary>The connection is gone, and with it the loop: what is awaited goes on without.</summary>
        public void Leave()
        {
            lock (gate)
            {
                conversation.hasLeft = true;
            }

            ContinueElsewhere();
        }

        /// <summary>Goes on with the command, where what it awaited is there.</summary>
        public void Continue()
        {
            AnswerCopy? now;
            lock (gate)
            {
                now = isAwaited ? answer : null;
                if (now is not null)
                {
                    isAwaited = false;
                    answer = null;
                }
            }

            if (now is not null)
            {
                source.SetResult(now);
            }
            else if (isTurnAsked)
            {
                isTurnAsked = false;
                source.SetResult(null!);
            }
            else if (isDrainAwaited && (conversation.hasLeft || conversation.UnsentBytes < DrainBytes))
            {
                isDrainAwaited = false;
                source.SetResult(null!);
            }
        }

        private void ContinueElsewhere() => ThreadPool.UnsafeQueueUserWorkItem(static asker => asker.Continue(), this, preferLocal: false);

        public AnswerCopy GetResult(short token) => source.GetResult(token);

        public ValueTaskSourceStatus GetStatus(short token) => source.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            source.OnCompleted(continuation, state, token, flags & ~ValueTaskSourceOnCompletedFlags.UseSchedulingContext);
    }
}
