using System.Globalization;
using System.Text;
using Levee.Operations;

namespace Levee.Server.Http;

/// <summary>Keys that a client will want.</summary>
internal sealed record HintList
{
    /// <summary>Keys that are text.</summary>
    public IReadOnlyList<string> Keys { get; init; } = [];

    /// <summary>Keys that are not UTF-8, in base64. They come after the text keys.</summary>
    public IReadOnlyList<byte[]>? BinaryKeys { get; init; }

    /// <summary>0 to 9, the highest first; all go before what is predicted. 5 unless given.</summary>
    public int? Priority { get; init; }

    /// <summary>All keys as bytes, and their priority.</summary>
    /// <returns>Null, or what is wrong.</returns>
    public Problem? Read(out List<byte[]> keys, out int priority)
    {
        priority = Priority ?? IPrefetchControl.DefaultPriority;
        var problem = new KeyList { Keys = Keys, BinaryKeys = BinaryKeys }.Read(out keys);
        return problem ?? (priority is >= IPrefetchControl.LowestPriority and <= IPrefetchControl.HighestPriority
            ? null
            : Problems.BadValue("priority", priority.ToString(CultureInfo.InvariantCulture), $"a whole number from {IPrefetchControl.LowestPriority} to {IPrefetchControl.HighestPriority}"));
    }
}

/// <summary>What became of hints.</summary>
/// <param name="Taken">Keys that wait to be brought up, or did already.</param>
/// <param name="Dropped">Keys that were not taken: the queue is full of others as urgent, or the key waits already.</param>
internal sealed record HintResult(int Taken, int Dropped);

/// <summary>What a client switches at a prefetcher.</summary>
internal sealed record PrefetchChange
{
    /// <summary>Whether it learns and predicts.</summary>
    public bool? Learning { get; init; }
}

/// <summary>A cache's prefetcher. Counts are since its start.</summary>
internal sealed record PrefetchStatus
{
    /// <summary>Whether it learns and predicts; hints are followed either way.</summary>
    public required bool Learning { get; init; }

    /// <summary>What made it stop learning, if something in it failed; absent where nothing did.</summary>
    public string? Failure { get; init; }

    /// <summary>Accesses that were reported to it.</summary>
    public required long Reported { get; init; }

    /// <summary>Accesses that it never saw.</summary>
    public required long Lost { get; init; }

    /// <summary>Hints that were taken.</summary>
    public required long Hints { get; init; }

    /// <summary>Hints and predictions that found the queue full.</summary>
    public required long Dropped { get; init; }

    /// <summary>Predictions that waited too long.</summary>
    public required long Stale { get; init; }

    /// <summary>Hints and predictions that waited already.</summary>
    public required long Duplicates { get; init; }

    /// <summary>Loads that were asked for.</summary>
    public required long Asked { get; init; }

    /// <summary>Entries that were brought up.</summary>
    public required long Promoted { get; init; }

    /// <summary>Those of them that came from the origin.</summary>
    public required long FromOrigin { get; init; }

    /// <summary>Loads from the origin that failed.</summary>
    public required long OriginFailures { get; init; }

    /// <summary>Loads that the origin was spared, because it had enough to do.</summary>
    public required long OriginSkips { get; init; }

    /// <summary>Loads that failed.</summary>
    public required long Failed { get; init; }

    /// <summary>Loads under way.</summary>
    public required int InFlight { get; init; }

    /// <summary>How many may be under way at once.</summary>
    public required int MaxInFlight { get; init; }

    /// <summary>Keys that wait.</summary>
    public required int Waiting { get; init; }

    /// <summary>A moving average of what a load took, in milliseconds.</summary>
    public required double MeanLoadMs { get; init; }

    /// <summary>What it has learnt; absent where nobody learns.</summary>
    public LearntStatus? Learnt { get; init; }

    /// <summary>The first of the keys that wait, in the order in which they are taken.</summary>
    public required IReadOnlyList<QueuedStatus> Queue { get; init; }

    /// <summary>A prefetcher's status from its report.</summary>
    public static PrefetchStatus Of(PrefetchReport report) => new()
    {
        Learning = report.IsLearning,
        Failure = report.Failure,
        Reported = report.Reported,
        Lost = report.Lost,
        Hints = report.Hints,
        Dropped = report.Dropped,
        Stale = report.Stale,
        Duplicates = report.Duplicates,
        Asked = report.Asked,
        Promoted = report.Promoted,
        FromOrigin = report.FromOrigin,
        OriginFailures = report.OriginFailures,
        OriginSkips = report.OriginSkips,
        Failed = report.Failed,
        InFlight = report.InFlight,
        MaxInFlight = report.MaxInFlight,
        Waiting = report.Waiting,
        MeanLoadMs = report.MeanLoad.TotalMilliseconds,
        Learnt = report.Learnt is { } learnt ? LearntStatus.Of(learnt) : null,
        Queue = [.. report.Queue.Select(QueuedStatus.Of)],
    };
}

/// <summary>What a prefetcher has learnt.</summary>
internal sealed record LearntStatus
{
    /// <summary>Accesses that found nothing in memory, or only what a prefetch had brought there.</summary>
    public required long WouldBeMisses { get; init; }

    /// <summary>Predictions that were followed.</summary>
    public required long Issued { get; init; }

    /// <summary>First uses of what they brought.</summary>
    public required long Used { get; init; }

    /// <summary>Misses that joined a load which a prefetch had begun.</summary>
    public required long Late { get; init; }

    /// <summary>Loads whose entry was not used in time.</summary>
    public required long Wasted { get; init; }

    /// <summary>Predictions whose load failed.</summary>
    public required long Failed { get; init; }

    /// <summary>Predictions that were given up before their load was begun.</summary>
    public required long Dropped { get; init; }

    /// <summary>The precision, 0 to 1, from which a bucket opens.</summary>
    public required double Threshold { get; init; }

    /// <summary>How many steps ahead predictions reach at the most.</summary>
    public required int LookAhead { get; init; }

    /// <summary>How many entries that were prefetched and not used yet may lie in memory.</summary>
    public required int AreaEntries { get; init; }

    /// <summary>Waste per would-be miss, smoothed.</summary>
    public required double WasteRate { get; init; }

    /// <summary>Misses that prefetched entries caused, smoothed.</summary>
    public required double Pollution { get; init; }

    /// <summary>Memory that it holds.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>The confidence buckets.</summary>
    public required IReadOnlyList<PrefetchBucket> Buckets { get; init; }

    /// <summary>From the prefetcher's own.</summary>
    public static LearntStatus Of(PrefetchStatistics learnt) => new()
    {
        WouldBeMisses = learnt.WouldBeMisses,
        Issued = learnt.Issued,
        Used = learnt.Used,
        Late = learnt.Late,
        Wasted = learnt.Wasted,
        Failed = learnt.Failed,
        Dropped = learnt.Dropped,
        Threshold = learnt.Threshold,
        LookAhead = learnt.Lead,
        AreaEntries = learnt.Area,
        WasteRate = learnt.WasteRate,
        Pollution = learnt.Pollution,
        MemoryBytes = learnt.MemoryBytes,
        Buckets = learnt.Buckets,
    };
}

/// <summary>A key that waits to be brought up.</summary>
/// <param name="Key">The key, printable ASCII as it is, other bytes percent-encoded; absent where only its hash is known.</param>
/// <param name="Hash">Its routing hash: 16 hexadecimal digits.</param>
/// <param name="IsPredicted">Whether it was predicted; else it is a hint.</param>
/// <param name="Priority">The hint's priority; absent for a prediction.</param>
/// <param name="AgeMs">How long it has waited.</param>
internal sealed record QueuedStatus(string? Key, string Hash, bool IsPredicted, int? Priority, long AgeMs)
{
    /// <summary>From the queue's own.</summary>
    public static QueuedStatus Of(QueuedKey waiting)
    {
        var text = new StringBuilder();
        PercentText.Append(text, waiting.Key.Span);
        var isPredicted = waiting.Priority < IPrefetchControl.LowestPriority;
        return new QueuedStatus(
            text.Length == 0 ? null : text.ToString(),
            waiting.Hash.ToString("x16", CultureInfo.InvariantCulture),
            isPredicted,
            isPredicted ? null : waiting.Priority,
            (long)waiting.Age.TotalMilliseconds);
    }
}
