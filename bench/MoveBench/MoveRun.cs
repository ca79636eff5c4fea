using System.Diagnostics;
using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;

namespace Levee.MoveBench;

/// <summary>Two hosts, one of which has all partitions, filled; and moves of all of them to the other one at once, while they are read.</summary>
internal sealed class MoveRun : IAsyncDisposable
{
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(500);

    private readonly Contents contents;
    private readonly int partitions;
    private readonly LockHost[] hosts;
    private readonly int[] owners;
    private long epoch = 1;

    public MoveRun(int partitions, long budgetBytes, Contents contents)
    {
        this.partitions = partitions;
        this.contents = contents;
        owners = new int[partitions];
        var options = new CacheOptions { MemoryBytes = budgetBytes, Partitions = partitions };
        hosts = [.. Enumerable.Range(0, 2).Select(_ => new LockHost(options, TimeProvider.System, opens: false))];
        for (var i = 0; i < partitions; i++)
        {
            hosts[0].Open(i, epoch, 0);
        }

        contents.Load(hosts[0]);
        var evicted = CountLost(hosts[0]);
        if (evicted > 0)
        {
            throw new InvalidOperationException($"The budget is too small: {evicted} of {contents.Count} entries were evicted before the move.");
        }
    }

    public async Task<MoveReport> MoveAsync()
    {
        var from = hosts[owners[0]];
        var to = hosts[1 - owners[0]];
        using var ended = new CancellationTokenSource();
        using var reader = new Reader(contents, from, partition => hosts[Volatile.Read(ref owners[partition])]);
        var held = Task.Run(() => WatchAsync(from, to, ended.Token));
        await Task.Delay(Rest);
        var pauseBefore = GC.GetTotalPauseDuration();
        epoch++;
        var began = Stopwatch.GetTimestamp();
        var arrivals = await Task.WhenAll(Enumerable.Range(0, partitions).Select(partition => Task.Run(() => MoveAsync(partition, from, to))));
        var time = Stopwatch.GetElapsedTime(began);
        var paused = GC.GetTotalPauseDuration() - pauseBefore;
        await Task.Delay(Rest);
        reader.Stop();
        await ended.CancelAsync();
        var (heldFrom, heldTo) = await held;
        return new MoveReport
        {
            Time = time,
            Bytes = arrivals.Sum(static arrival => arrival.Bytes),
            Entries = contents.Count,
            Lost = CountLost(to),
            Given = arrivals.Sum(static arrival => arrival.Lost),
            LongestSlice = arrivals.Max(static arrival => arrival.LongestSlice),
            Slices = arrivals.Sum(static arrival => arrival.LongSlices),
            Reader = reader,
            HeldFrom = heldFrom / (double)from.Options.MemoryBytes,
            HeldTo = heldTo / (double)to.Options.MemoryBytes,
            Paused = paused,
            Problems = string.Join("; ", arrivals.Select(static arrival => arrival.Problem).Where(static problem => problem.Length > 0).Distinct()),
        };
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in hosts)
        {
            await host.DisposeAsync();
        }
    }

    private static async Task<(long From, long To)> WatchAsync(LockHost from, LockHost to, CancellationToken ended)
    {
        var (highestFrom, highestTo) = (0L, 0L);
        while (!ended.IsCancellationRequested)
        {
            highestFrom = Math.Max(highestFrom, from.HeldBytes);
            highestTo = Math.Max(highestTo, to.HeldBytes);
            await Task.Delay(1, CancellationToken.None);
        }

        return (highestFrom, highestTo);
    }

    private async Task<ArrivalReport> MoveAsync(int partition, LockHost from, LockHost to)
    {
        to.Open(partition, epoch, await from.FreezeAsync(partition, epoch), new CopyingSource(from, partition, epoch));
        Volatile.Write(ref owners[partition], Array.IndexOf(hosts, to));
        return await to.Arrived(partition) ?? throw new InvalidOperationException($"Partition {partition} did not arrive.");
    }

    private long CountLost(LockHost host)
    {
        var check = new Check(contents);
        var key = new byte[Contents.KeyBytes];
        for (var number = 0L; number < contents.Count; number++)
        {
            Contents.WriteKey(number, key);
            host.Submit(new Operation { Kind = OperationKind.Peek, Key = key, Hash = KeyHash.Of(key) }, check, number);
        }

        return contents.Count - check.Whole;
    }

    private sealed class Check(Contents contents) : IAnswerSink
    {
        public long Whole { get; private set; }

        public void Answer(long ticket, in Answer answer) => Whole += answer.Outcome == Outcome.Hit && contents.IsOf(ticket, answer.Entry) ? 1 : 0;
    }
}
