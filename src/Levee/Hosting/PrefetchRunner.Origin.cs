using Levee.Caching;
using Levee.Keys;
using Levee.Learning;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Hosting;

/// <summary>Loads from the origin, and how many entries the memory holds.</summary>
public sealed partial class PrefetchRunner
{
    /// <summary>Tickets of statistics lie below.</summary>
    private const long StatisticsTickets = -1;

    private const int LeastMostEntries = 4096;

    private static readonly TimeSpan LongestEnd = TimeSpan.FromSeconds(5);

    private readonly HashSet<Task> origins = [];
    private readonly Lock capacityGate = new();
    private PartitionStatistics capacity = new();
    private int capacityAnswers;
    private int capacityEntries;
    private long capacityAskedAt = long.MinValue;
    private long fromOrigin;
    private long originFailures;
    private long originSkips;

    /// <summary>Begins to load from the origin what no tier has.</summary>
    /// <returns>False where there is nobody to ask, or too many are being asked for.</returns>
    private bool TryAskOrigin(int place, in PrefetchItem item)
    {
        if (options.Origin is null || stopping.IsCancellationRequested || IsHashOnly(item))
        {
            return false;
        }

        if (origins.Count >= options.MaxOriginLoads)
        {
            originSkips++;
            return false;
        }

        var wanted = item.Key;
        var load = Task.Run(() => LoadOriginAsync(options.Origin, place, wanted));
        origins.Add(load);
        load.ContinueWith(
            ended =>
            {
                lock (gate)
                {
                    origins.Remove(ended);
                }
            },
            CancellationToken.None,
            TaskContinuationOptions.None,
            TaskScheduler.Default);
        return true;
    }

    private static bool IsHashOnly(in PrefetchItem item) => item.Key.IsEmpty && item.Hash != KeyHash.Of([]);

    private async Task LoadOriginAsync(OriginLoader origin, int place, ReadOnlyMemory<byte> wanted)
    {
        var outcome = PrefetchOutcome.Failed;
        try
        {
            var leased = await LeaseAsync(wanted).ConfigureAwait(false);
            if (leased.Outcome == Outcome.Done)
            {
                var loaded = await origin(new CacheKey(wanted.Span), stopping.Token).ConfigureAwait(false);
                outcome = loaded is { } entry
                    ? await StoreAsync(wanted, entry, leased.Lease).ConfigureAwait(false)
                    : PrefetchOutcome.Absent;
            }
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            // Whatever the user's code throws: a prefetch that fails is no loss.
            Interlocked.Increment(ref originFailures);
        }

        Interlocked.Add(ref fromOrigin, outcome == PrefetchOutcome.Promoted ? 1 : 0);
        answered.Enqueue((place, outcome, Now, IsFinal: true));
        Wake();
    }

    /// <summary>Tells the key's partition that a load begins: a removal that comes before its end is not undone by it.</summary>
    private async Task<Ending> LeaseAsync(ReadOnlyMemory<byte> wanted)
    {
        var sink = new EndSink();
        Submit(new Operation { Kind = OperationKind.Lease, Key = wanted.Span, Hash = KeyHash.Of(wanted.Span) }, sink);
        return await sink.Ended.ConfigureAwait(false);
    }

    /// <summary>Stores what the origin gave, where the key has no entry and the lease holds, as one that was not used yet.</summary>
    private async Task<PrefetchOutcome> StoreAsync(ReadOnlyMemory<byte> wanted, OriginEntry entry, ulong lease)
    {
        var large = entry.Value.Length > Limits.MaxInlineBytes ? host.LargeValues.TryCreate(entry.Value.Span) : null;
        if (entry.Value.Length > Limits.MaxInlineBytes && large is null)
        {
            return PrefetchOutcome.Failed;
        }

        var sink = new EndSink();
        try
        {
            Store(wanted.Span, entry, large, lease, sink);
        }
        catch (ArgumentException)
        {
            large?.Release();
            throw;
        }

        var ending = await sink.Ended.ConfigureAwait(false);
        if (ending.Outcome != Outcome.Stored)
        {
            large?.Release();
        }

        return ending switch
        {
            { Outcome: Outcome.Stored } => PrefetchOutcome.Promoted,
            { Outcome: Outcome.ConditionFailed, IsPresent: true } => PrefetchOutcome.Resident,
            { Outcome: Outcome.ConditionFailed } => PrefetchOutcome.Dropped, // Something was removed meanwhile.
            _ => PrefetchOutcome.Failed,
        };
    }

    private void Store(ReadOnlySpan<byte> wanted, in OriginEntry entry, LargeValue? large, ulong lease, EndSink sink)
    {
        Span<byte> tags = stackalloc byte[entry.Options.Tags is null ? 0 : Limits.MaxPackedTagsBytes];
        Span<byte> contentType = stackalloc byte[entry.Options.ContentType is null ? 0 : Limits.MaxContentTypeBytes];
        var operation = CacheArguments.Set(wanted, entry.Options, time.GetUtcNow().ToUnixTimeMilliseconds(), tags, contentType);
        operation.Condition = Condition.IfAbsent;
        operation.Lease = lease;
        operation.KeepTtl = false;
        operation.IsAhead = true;
        operation.Large = large;
        operation.Value = large is null ? entry.Value.Span : default;
        Submit(operation, sink);
    }

    private void Submit(in Operation operation, EndSink sink)
    {
        host.Submit(operation, sink, 0);
        host.Flush(sink);
    }

    /// <summary>Each ends soon, where the user's code listens to its cancellation.</summary>
    private async Task EndOriginLoadsAsync()
    {
        Task[] left;
        lock (gate)
        {
            left = [.. origins];
        }

        try
        {
            await Task.WhenAll(left).WaitAsync(LongestEnd, time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The user's code does not listen; what it brings now goes nowhere.
        }
    }

    /// <summary>Asks all partitions now and then what they hold; the last answer tells the prefetcher.</summary>
    private void FollowCapacity()
    {
        var now = Now;
        if (prefetcher is null || !IsLearning || (capacityAskedAt != long.MinValue && now - capacityAskedAt < (long)options.CapacityPeriod.TotalMicroseconds))
        {
            return;
        }

        capacityAskedAt = now;
        lock (capacityGate)
        {
            capacity = new PartitionStatistics();
            capacityAnswers = 0;
        }

        for (var partition = 0; partition < host.PartitionCount; partition++)
        {
            host.Submit(new Operation { Kind = OperationKind.Statistics, Partition = partition }, this, StatisticsTickets - partition);
        }

        host.Flush(this);
        lock (gate)
        {
            var entries = Volatile.Read(ref capacityEntries);
            if (entries > 0)
            {
                prefetcher.SetCapacity(entries);
            }

            target?.MaxPrefetched = Math.Max(1, prefetcher.Statistics.Area);
        }
    }

    /// <summary>What a full memory would hold: as many as now, and as many more as are left room for; but not more than twice what there is, here and below. A prefetcher's memory goes with it, and an empty memory says little.</summary>
    private void NoteCapacity(in Answer answer)
    {
        lock (capacityGate)
        {
            capacity += answer.Statistics ?? new PartitionStatistics();
            if (++capacityAnswers == host.PartitionCount && capacity.Entries > 0)
            {
                var entries = capacity.Entries * Math.Max(1.0, capacity.CapacityBytes / (double)Math.Max(1, capacity.HeldBytes));
                var most = Math.Max(LeastMostEntries, 2.0 * capacity.AllEntries);
                Volatile.Write(ref capacityEntries, (int)Math.Min(int.MaxValue, Math.Min(entries, most)));
            }
        }
    }

    /// <summary>Waits for the answer to a lease or a set.</summary>
    private sealed class EndSink : IAnswerSink
    {
        private readonly TaskCompletionSource<Ending> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<Ending> Ended => ended.Task;

        public void Answer(long ticket, in Answer answer) =>
            ended.TrySetResult(new Ending(answer.Outcome, (ulong)answer.Number, !answer.Entry.IsEmpty));
    }

    /// <summary>What an operation ended with.</summary>
    private readonly record struct Ending(Outcome Outcome, ulong Lease, bool IsPresent);
}
