using System.Text;
using Levee.Learning;
using Levee.Operations;

namespace Levee.Testing;

/// <summary>A prefetcher that takes hints as long as it has room, and says what a test wants it to say.</summary>
public sealed class FakePrefetching : IPrefetchControl
{
    private readonly List<(string Key, ulong Hash, int Priority)> hints = [];

    /// <summary>A report in which every figure is another number, so that a test sees when two are mixed up.</summary>
    public static PrefetchReport Sample { get; } = new()
    {
        IsLearning = true,
        Reported = 201,
        Lost = 202,
        Hints = 203,
        Dropped = 204,
        Asked = 205,
        Promoted = 206,
        FromOrigin = 207,
        Failed = 208,
        InFlight = 209,
        MaxInFlight = 210,
        Waiting = 211,
        Stale = 212,
        Duplicates = 213,
        OriginFailures = 214,
        OriginSkips = 215,
        MeanLoad = TimeSpan.FromMilliseconds(2.5),
        Learnt = new PrefetchStatistics
        {
            Buckets = [new PrefetchBucket("stride 1, sure", true, 221, 222, 223, 224, 225, 0.75), new PrefetchBucket("log, doubtful", false, 231, 232, 233, 234, 235, 0.125)],
            WouldBeMisses = 241,
            Issued = 242,
            Used = 243,
            Late = 244,
            Wasted = 245,
            Failed = 246,
            Dropped = 247,
            Threshold = 0.625,
            Lead = 248,
            Area = 249,
            WasteRate = 0.25,
            Pollution = 0.5,
            MemoryBytes = 250,
        },
        Queue =
        [
            new QueuedKey("user:42"u8.ToArray(), 0xabc, 9, TimeSpan.FromMilliseconds(1500)),
            new QueuedKey(default, 0xdef, -1, TimeSpan.FromMilliseconds(20)),
        ],
    };

    /// <summary>How many hints are taken.</summary>
    public int Room { get; set; } = int.MaxValue;

    /// <summary>What it says.</summary>
    public PrefetchReport Report { get; set; } = Sample;

    /// <summary>What a report waits for; null: it is there at once.</summary>
    public TaskCompletionSource? Answers { get; set; }

    /// <summary>The hints that were taken, in their order.</summary>
    public IReadOnlyList<(string Key, ulong Hash, int Priority)> Hints => hints;

    /// <inheritdoc/>
    public bool IsLearning { get => Report.IsLearning; set => Report = Report with { IsLearning = value }; }

    /// <summary>A cache with such a prefetcher.</summary>
    public static ICacheHost Before(ICacheHost cache) => new DeferringHost(cache) { Defers = false, Prefetching = new FakePrefetching() };

    /// <inheritdoc/>
    public bool TryHint(ReadOnlySpan<byte> key, ulong hash, int priority)
    {
        if (hints.Count >= Room)
        {
            return false;
        }

        hints.Add((Encoding.UTF8.GetString(key), hash, priority));
        return true;
    }

    /// <inheritdoc/>
    public async ValueTask<PrefetchReport> ReportAsync(int maxQueued, CancellationToken cancellation)
    {
        if (Answers is { } answers)
        {
            await answers.Task.WaitAsync(cancellation);
        }

        return Report with { Queue = [.. Report.Queue.Take(maxQueued)] };
    }
}
