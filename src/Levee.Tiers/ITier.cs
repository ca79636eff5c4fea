using Levee.Operations;
using Levee.Partitions;

namespace Levee.Tiers;

/// <summary>
/// One tier of a cache. What partitions tell it (<see cref="ILowerTiers"/>) it takes in memory and at once; what needs I/O runs on the tier's own loops. Below it may lie a colder tier.
/// A tier keeps the promise on its own: whatever it gives back, now or after a crash, is the last that it was told, or nothing.
/// </summary>
public interface ITier : ILowerTiers, IAsyncDisposable
{
    /// <summary>What the tier is, for people: its kind and place, never its credentials.</summary>
    string Name { get; }

    /// <summary>Its kind: "file", "redis", "s3", "azblob".</summary>
    string Kind { get; }

    /// <summary>Where entries go that the tier has no more room for, if they are worth it; null: nowhere.</summary>
    ITier? Below { get; set; }

    /// <summary>
    /// Returns as soon as the tier can be called: its generation is durable and everything that it does not know yet counts as "may hold". Recovery goes on in the background.
    /// </summary>
    /// <exception cref="TierException">The tier cannot be used; the message says what was wrong and what would be right.</exception>
    Task StartAsync(ITierHost host, CancellationToken cancellation);

    /// <summary>
    /// Reads the record of a key. Completes synchronously where the tier knows that it has none, and mostly where the record is in memory or in the system's page cache.
    /// Never throws for what a tier's failure can cause: that is <see cref="TierReadOutcome.Failed"/>.
    /// </summary>
    /// <param name="hash">The key's routing hash.</param>
    /// <param name="key">The key, borrowed until the read ends; null: whichever key the record with this hash has.</param>
    /// <param name="cancellation">Ends the read.</param>
    ValueTask<TierRead> ReadAsync(ulong hash, ReadOnlyMemory<byte>? key, CancellationToken cancellation);

    /// <summary>Promises that no clock above this, in Unix milliseconds, is given out before the next call; durable when it returns.</summary>
    void Reserve(long untilMs);

    /// <summary>Completes when what was demoted before the call waits in memory no more (it is in the tier's log, sent, or was dropped), when there is much room again, or when the tier cannot make any now.</summary>
    /// <exception cref="IOException">Nothing that is demoted from here on will be kept.</exception>
    Task DrainAsync(CancellationToken cancellation);

    /// <summary>Visits the records that the tier holds, some at a time, for SCAN. Records that are voided or moved meanwhile may be missed; what stays is given at least once.</summary>
    /// <param name="position">0 to begin; then what the last call returned.</param>
    /// <param name="visit">Takes each entry; it may borrow during the call.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <returns>Where to go on; 0 at the end.</returns>
    ValueTask<long> ScanAsync(long position, TierEntryVisitor visit, CancellationToken cancellation);

    /// <summary>What the tier holds and did.</summary>
    TierStatistics GetStatistics();

    /// <summary>Whether the tier may hold a hash and where, for people; null where it does not.</summary>
    TierPlace? Explain(ulong hash);

    /// <summary>
    /// Writes down what waits, so that a start after a clean stop finds everything; then <see cref="IAsyncDisposable.DisposeAsync"/>. What it cannot write, or not before the cancellation, counts as dropped.
    /// </summary>
    /// <exception cref="IOException">The stop was not clean, and the message says what of the content that costs. The tier has ended all the same.</exception>
    Task StopAsync(CancellationToken cancellation);
}

/// <summary>What a tier asks of the cache above it. Never called while the tier holds a lock of its own.</summary>
public interface ITierHost
{
    /// <summary>The cache's name.</summary>
    string CacheName { get; }

    /// <summary>How many partitions the cache has; a hash belongs to the one that its highest bits name.</summary>
    int PartitionCount { get; }

    /// <summary>
    /// Holds the entry's partition and, if the entry is still true there (not expired, not invalidated by its tags, not cleared), calls <paramref name="action"/> while it is held.
    /// This is how a record is carried over or moved to the next tier without racing a write: no call on its key comes in between.
    /// </summary>
    /// <returns>What the action returned; false where the entry was not true any more.</returns>
    bool IfTrue<TState>(scoped in TierEntry entry, TState state, Func<TState, bool> action);

    /// <summary>Tells a partition of a tag removal that the tier has found in its log while it recovered. Returns before any record that it concerns is given out.</summary>
    void RecoverTagRemoval(int partition, ReadOnlySpan<byte> tag, ulong version);

    /// <summary>The same for a clear.</summary>
    void RecoverClear(int partition, ulong version);
}

/// <summary>How a read ended.</summary>
public enum TierReadOutcome
{
    /// <summary>The tier does not hold the key.</summary>
    Absent,

    /// <summary>The record is there.</summary>
    Found,

    /// <summary>The tier may hold the key and did not answer.</summary>
    Failed,
}

/// <summary>What a read brought. To be disposed: the record lies in rented memory.</summary>
public readonly struct TierRead : IDisposable
{
    private readonly RentedRecord? record;

    private TierRead(TierReadOutcome outcome, RentedRecord? record)
    {
        Outcome = outcome;
        this.record = record;
    }

    /// <summary>The tier does not hold the key.</summary>
    public static TierRead Absent => default;

    /// <summary>The tier did not answer.</summary>
    public static TierRead Failed => new(TierReadOutcome.Failed, null);

    /// <summary>How the read ended.</summary>
    public TierReadOutcome Outcome { get; }

    /// <summary>The plain, sound record (<see cref="Levee.Segments.TierRecord"/>), where it was found.</summary>
    public ReadOnlySpan<byte> Record => record is null ? default : record.Span;

    /// <summary>Whether the entry had been read from the tier before, since it came.</summary>
    public bool WasReferenced { get; init; }

    /// <summary>A record that was found; the read takes it over.</summary>
    public static TierRead Found(RentedRecord record, bool wasReferenced = false) => new(TierReadOutcome.Found, record) { WasReferenced = wasReferenced };

    /// <inheritdoc/>
    public void Dispose() => record?.Dispose();
}
