using Levee.Memory;
using Levee.Operations;

namespace Levee.Server.Http;

/// <summary>
/// Awaits the answers to a number of operations, submitted under the tickets from 0 on. Answers come during the submission or later from any thread while a partition is
/// held, so nothing here blocks, and whoever awaits goes on elsewhere. A caller that gives up leaves the batch behind; it cleans up after itself when the last answer comes.
/// </summary>
internal sealed class AnswerBatch : IAnswerSink
{
    private readonly TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly KeptAnswer[] answers;
    private readonly bool copiesValues;
    private readonly LargeValue? offered;
    private int outstanding;

    /// <param name="count">How many answers are to come.</param>
    /// <param name="copiesValues">Whether values are wanted, or metadata alone.</param>
    /// <param name="offered">
    /// A large value whose reference the cache takes over when it answers <see cref="Outcome.Stored"/>; in any other case the batch drops that reference.
    /// </param>
    public AnswerBatch(int count, bool copiesValues, LargeValue? offered = null)
    {
        answers = new KeptAnswer[count];
        outstanding = count;
        this.copiesValues = copiesValues;
        this.offered = offered;
        if (count == 0)
        {
            done.SetResult();
        }
    }

    public void Answer(long ticket, in Answer answer)
    {
        if (offered is not null && answer.Outcome != Outcome.Stored)
        {
            offered.Release();
        }

        answers[ticket] = new KeptAnswer(answer.Outcome, answer.Number, answer.Entry.IsEmpty ? null : new EntryCopy(answer.Entry, copiesValues), answer.Statistics, answer.Explanation);
        if (Interlocked.Decrement(ref outstanding) == 0)
        {
            done.SetResult();
        }
    }

    /// <summary>The answers by ticket, once all are there. The caller disposes them.</summary>
    public async Task<KeptAnswer[]> WaitAsync(CancellationToken cancellationToken)
    {
        try
        {
            await done.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            return answers;
        }
        catch (OperationCanceledException)
        {
            _ = done.Task.ContinueWith(static (_, batch) => ((AnswerBatch)batch!).DisposeAnswers(), this, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            throw;
        }
    }

    private void DisposeAnswers()
    {
        foreach (var answer in answers)
        {
            answer.Dispose();
        }
    }
}
