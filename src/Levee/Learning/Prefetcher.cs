using Levee.Keys;
using Levee.Operations;

namespace Levee.Learning;

/// <summary>
/// Adaptive prefetching by the keys of would-be misses (<see cref="PrefetchEngine"/> has the algorithm). Numbers at the end of keys count, and sequences come again: what has neither is not predicted.
/// <para>
/// From 4,096 entries on it takes 34 to 39 bytes per entry, 15 of them optional; for fewer entries 25 to 160 KiB in all. No call allocates, but for a capacity that changes much and for <see cref="Statistics"/>. The same calls give the same predictions.
/// </para>
/// </summary>
public sealed class Prefetcher : IPrefetcher, IResidentIds
{
    /// <summary>With fewer entries in memory nothing is predicted: a wrong guess would cost too much.</summary>
    public const int LeastCapacity = 256;

    private readonly IResidents? residents;
    private readonly KeyIds ids;
    private readonly PrefetchEngine engine;
    private readonly byte[] keyOfId = new byte[KeyList.MaxKeyBytes];
    private readonly long gathering;
    private readonly long reaction;
    private long observed;

    /// <param name="options">What it is made for.</param>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is less than 1, or a time is negative.</exception>
    public Prefetcher(PrefetcherOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Capacity, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.Gathering, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.Reaction, nameof(options));
        gathering = options.Gathering;
        reaction = options.Reaction;
        residents = options.Residents;
        ids = new KeyIds(options.Capacity);
        engine = new PrefetchEngine(options.Capacity, options.HalfLog, residents is null ? null : this);
    }

    /// <inheritdoc/>
    public PrefetchStatistics Statistics
    {
        get
        {
            var statistics = engine.Statistics;
            return statistics with { MemoryBytes = statistics.MemoryBytes + ids.MemoryBytes };
        }
    }

    /// <summary>How many entries that were prefetched and not used yet may lie in memory now.</summary>
    public int Area => engine.Area;

    /// <summary>Changes the capacity, in entries. Memory is allocated only where it has changed by a quarter or more since it was.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is less than 1.</exception>
    public void SetCapacity(int capacity) => engine.SetCapacity(capacity);

    /// <inheritdoc/>
    public void Observe(scoped AccessBatchReader batch, long now, bool isPrompt)
    {
        engine.Begin(isPrompt ? batch.Count : 0, isPrompt ? 0 : reaction);

        // What is tested and not loaded is judged by when it was asked for, not by when that was learnt.
        var span = isPrompt ? 0 : Math.Clamp(now - observed, 0, gathering);
        var read = 0;
        while (batch.TryRead(out var key, out var hash, out var kind))
        {
            read++;
            engine.Access(ids.IdOf(key, hash, out var isNumber), isNumber, kind, now - span + (span * read / batch.Count));
        }

        observed = now;
    }

    /// <inheritdoc/>
    public bool TryPredict(Span<byte> key, out Prediction prediction)
    {
        while (engine.TryTake(out var id, out var bucket))
        {
            switch (ids.Format(id, key, out var length))
            {
                case KeyForm.Number:
                    prediction = new Prediction(id, length, KeyHash.Of(key[..length]), bucket);
                    return true;
                case KeyForm.Hash:
                    prediction = new Prediction(id, 0, id, bucket);
                    return true;
                default:
                    engine.Ended(id, PrefetchOutcome.Dropped, 0);
                    break;
            }
        }

        prediction = default;
        return false;
    }

    /// <inheritdoc/>
    public bool IsWanted(ulong id) => engine.IsLoading(id);

    /// <inheritdoc/>
    public void Ended(ulong id, PrefetchOutcome outcome, long latency) => engine.Ended(id, outcome, latency);

    bool IResidentIds.IsResident(ulong id) => ids.Format(id, keyOfId, out var length) switch
    {
        KeyForm.Number => residents!.IsResident(keyOfId.AsSpan(0, length), KeyHash.Of(keyOfId.AsSpan(0, length))),
        KeyForm.Hash => residents!.IsResident([], id),
        _ => true,
    };
}
