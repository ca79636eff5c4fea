using Levee.Operations;

namespace Levee.Server.Http;

/// <summary>Gathers the keys of one slice of a scan.</summary>
internal sealed class ScanSlice(byte[] prefix, List<byte[]> keys) : IAnswerSink
{
    private readonly TaskCompletionSource<(Outcome Outcome, long Next)> done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Answer(long ticket, in Answer answer)
    {
        if (answer.Outcome != Outcome.Item)
        {
            done.TrySetResult((answer.Outcome, answer.Number));
        }
        else if (answer.Entry.Key.StartsWith(prefix))
        {
            keys.Add(answer.Entry.Key.ToArray());
        }
    }

    /// <summary>How it ended, and where to go on; 0 at the partition's end.</summary>
    public Task<(Outcome Outcome, long Next)> WaitAsync(CancellationToken cancellationToken) => done.Task.WaitAsync(cancellationToken);
}
