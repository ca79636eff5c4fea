using System.Diagnostics;

namespace Levee.Server.Resp;

/// <summary>
/// Holding replies back until what they acknowledge is as durable as was asked. By default that is the case when an answer is given, and nothing is held. Where it is not, all replies since
/// wait for one commit, reads too: nobody sees what could still be lost.
/// </summary>
internal sealed partial class RespConversation
{
    private Task commit = Task.CompletedTask;
    private bool isHeld;
    private long releasedBytes;
    private long coveredBytes;

    public ReadOnlySpan<byte> Unsent
    {
        get
        {
            var unsent = sending.Unsent;
            return isHeld && unsent.Length > releasedBytes ? unsent[..(int)releasedBytes] : unsent;
        }
    }

    public void Sent(int count)
    {
        if (isListed)
        {
            lastSent = Stopwatch.GetTimestamp();
        }

        sending.Sent(count);
        WakeWhenDrained();
        releasedBytes -= count;
        coveredBytes -= count;
    }

    private void BeginHolding()
    {
        if (!isHeld)
        {
            releasedBytes = sending.Length;
        }
    }

    /// <summary>Ends a turn: releases what has been committed meanwhile, and has committed what the turn produced.</summary>
    private void HoldUncommitted()
    {
        if (isHeld)
        {
            if (!commit.IsCompleted)
            {
                return;
            }

            if (!commit.IsCompletedSuccessfully)
            {
                server.LogCommitFailure(this, commit.Exception!.GetBaseException());
                isKilled = true;
                return;
            }

            releasedBytes = coveredBytes;
            isHeld = false;
        }

        if (releasedBytes < sending.Length && !server.Catalog.IsCommitted)
        {
            isHeld = true;
            coveredBytes = sending.Length;
            commit = server.Catalog.CommitAsync();
            commit.ContinueWith(static (_, waker) => ((Transport.IWaker)waker!).Wake(), waker, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }
}
