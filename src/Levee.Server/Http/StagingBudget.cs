using Levee.Operations;

namespace Levee.Server.Http;

/// <summary>Bounds the managed memory in which all requests together gather bodies of unknown length. Safe for threads.</summary>
internal sealed class StagingBudget
{
    /// <summary>What may be staged at one time, in bytes.</summary>
    public const long MaxBytes = 2L * Limits.MaxValueBytes;

    private long staged;

    /// <summary>Takes from the budget.</summary>
    /// <returns>False where it has no more.</returns>
    public bool TryTake(int bytes)
    {
        if (Interlocked.Add(ref staged, bytes) <= MaxBytes)
        {
            return true;
        }

        Interlocked.Add(ref staged, -bytes);
        return false;
    }

    /// <summary>Gives back to the budget.</summary>
    public void Return(long bytes) => Interlocked.Add(ref staged, -bytes);
}
