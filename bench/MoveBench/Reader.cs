using System.Diagnostics;
using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;

namespace Levee.MoveBench;

/// <summary>Reads entries in a closed loop, by a thread of its own, from whichever host has the partition: a read that no host takes is tried again, and the time of that is its own.</summary>
internal sealed class Reader : IAnswerSink, IDisposable
{
    /// <summary>The hit ratio is counted over so long.</summary>
    private const int WindowMs = 100;

    private static readonly long WindowTicks = Stopwatch.Frequency * WindowMs / 1000;

    private readonly Contents contents;
    private readonly Func<int, LockHost> ownerOf;
    private readonly LockHost any;
    private readonly Thread thread;
    private readonly ManualResetEventSlim answered = new();
    private readonly List<double> waits = [];
    private volatile bool isStopping;
    private long number;
    private bool isHit;

    /// <param name="contents">What is read.</param>
    /// <param name="any">Knows which partition a key is of.</param>
    /// <param name="ownerOf">Which host has a partition now.</param>
    public Reader(Contents contents, LockHost any, Func<int, LockHost> ownerOf)
    {
        this.contents = contents;
        this.any = any;
        this.ownerOf = ownerOf;
        thread = new Thread(Read) { IsBackground = true };
        thread.Start();
    }

    public long Reads => waits.Count;

    public long Hits { get; private set; }

    /// <summary>The lowest share of hits in any window, from 0 to 1.</summary>
    public double LowestHitRatio { get; private set; } = 1;

    public double LongestMs { get; private set; }

    /// <summary>The wait that a share of all reads does not exceed. Once, after <see cref="Stop"/>.</summary>
    public double PercentileMs(double share)
    {
        waits.Sort();
        return waits[Math.Min(waits.Count - 1, (int)(waits.Count * share))];
    }

    public void Dispose() => answered.Dispose();

    public void Stop()
    {
        isStopping = true;
        thread.Join();
    }

    public void Answer(long ticket, in Answer answer)
    {
        isHit = answer.Outcome == Outcome.Hit && contents.IsOf(number, answer.Entry);
        answered.Set();
    }

    private void Read()
    {
        var random = new Random(1);
        var key = new byte[Contents.KeyBytes];
        var windowBegan = Stopwatch.GetTimestamp();
        var (windowReads, windowHits) = (0, 0);
        while (!isStopping)
        {
            number = random.NextInt64(contents.Count);
            Contents.WriteKey(number, key);
            var operation = new Operation { Kind = OperationKind.Get, Key = key, Hash = KeyHash.Of(key) };
            var partition = any.PartitionOf(operation.Hash);
            answered.Reset();
            var began = Stopwatch.GetTimestamp();
            while (!ownerOf(partition).TrySubmit(operation, this, 0))
            {
                Thread.Yield();
            }

            answered.Wait();
            var ended = Stopwatch.GetTimestamp();
            var waited = (ended - began) * 1000.0 / Stopwatch.Frequency;
            waits.Add(waited);
            LongestMs = Math.Max(LongestMs, waited);
            Hits += isHit ? 1 : 0;
            windowHits += isHit ? 1 : 0;
            windowReads++;
            if (ended - windowBegan >= WindowTicks)
            {
                LowestHitRatio = Math.Min(LowestHitRatio, windowHits / (double)windowReads);
                (windowBegan, windowReads, windowHits) = (ended, 0, 0);
            }
        }
    }
}
