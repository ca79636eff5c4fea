namespace Levee.Orleans.Silo;

/// <summary>
/// This silo's right to answer. It renews by reading its own row of the membership table: while the row does not say dead, nobody has taken anything over. The lease counts from before the read began, so it has ended
/// when whoever saw the row say dead has waited as long.
/// </summary>
internal sealed class SiloLease(IMembershipTable table, SiloAddress self, TimeSpan length, TimeProvider time, SiloLog log) : IDisposable
{
    private const int RenewalsPerLease = 5;

    private readonly CancellationTokenSource lost = new();
    private long validUntil = long.MinValue;
    private long lapses;

    /// <summary>Whether the silo may answer now.</summary>
    public bool IsValid => time.GetTimestamp() < Volatile.Read(ref validUntil);

    /// <summary>Whether the table says that this silo is dead: it has nothing any more that it could serve or give away.</summary>
    public bool IsLost => lost.IsCancellationRequested;

    /// <summary>Cancelled when the table is seen to say so.</summary>
    public CancellationToken Lost => lost.Token;

    /// <summary>How often the lease ended before it was renewed.</summary>
    public long Lapses => Interlocked.Read(ref lapses);

    /// <summary>Renews until it is cancelled, or until the silo is seen dead.</summary>
    /// <param name="renewed">Told when the lease ends, as a duration from the instant at which it is called (below zero: it has ended).</param>
    /// <param name="cancellation">Ends the renewals; the lease then runs out.</param>
    public async Task RenewAsync(Action<TimeSpan> renewed, CancellationToken cancellation)
    {
        var pause = length / RenewalsPerLease;
        while (!cancellation.IsCancellationRequested)
        {
            var began = time.GetTimestamp();
            try
            {
                if (!await IsMemberAsync().WaitAsync(length, time, cancellation))
                {
                    await lost.CancelAsync();
                    log.LeaseLost(self.ToString());
                    return;
                }

                var end = began + (long)(length.TotalSeconds * time.TimestampFrequency);
                var before = Interlocked.Exchange(ref validUntil, end);
                if (before != long.MinValue && before < time.GetTimestamp())
                {
                    Interlocked.Increment(ref lapses);
                    log.LeaseLapsed(time.GetElapsedTime(before).TotalMilliseconds);
                }

                renewed(length - time.GetElapsedTime(began));
            }
            catch (Exception failure) when (failure is not OperationCanceledException || !cancellation.IsCancellationRequested)
            {
                log.LeaseNotRenewed(failure);
            }

            var spent = time.GetElapsedTime(began);
            if (spent < pause)
            {
                await Task.Delay(pause - spent, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    public void Dispose() => lost.Dispose();

    private async Task<bool> IsMemberAsync()
    {
        var row = (await table.ReadRowAsync(self, CancellationToken.None)).TryGet(self);
        return row is not null && row.Item1.Status != SiloStatus.Dead;
    }
}
