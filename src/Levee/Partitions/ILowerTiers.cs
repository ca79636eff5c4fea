namespace Levee.Partitions;

/// <summary>
/// The tiers below a partition, as it sees them: an index and a log in memory. Every call returns at once, does no blocking I/O, and is made while the partition is held, so that calls on
/// one key come in the order in which the partition acts. Safe for threads: several partitions share the tiers.
/// <para>
/// What a call has logged survives the death of the process when it returns; <see cref="IsCommitted"/> says whether it is also as durable as the configuration asks.
/// No implementation calls back into a partition from here.
/// </para>
/// </summary>
public interface ILowerTiers
{
    /// <summary>The highest clock, in Unix milliseconds, that an earlier owner can have given out in a version; a partition's clock starts above it. 0: there was none.</summary>
    long FloorMs { get; }

    /// <summary>
    /// Every record that the tiers still hold was taken in, and was true, at this clock (Unix milliseconds) or later; <see cref="long.MaxValue"/> where they hold none.
    /// A tag removal that is older than this need not be remembered.
    /// </summary>
    long HoldsFromMs { get; }

    /// <summary>Whether everything that was logged so far is as durable as the configuration asks. Until then no answer that was given since may leave the process.</summary>
    bool IsCommitted { get; }

    /// <summary>
    /// Whether an entry that is demoted now is taken, whatever its length. Who takes memory down waits until it is so (<see cref="ITierChain.DrainAsync"/>); an eviction, for which nobody may wait, drops the entry.
    /// </summary>
    bool HasRoom => true;

    /// <summary>Says that a hash is about to be asked for: a tier whose index lies in this process' memory fetches what that will touch. From any thread, without a lock; changes nothing and may do nothing.</summary>
    void Approach(ulong hash)
    {
    }

    /// <summary>Whether a tier may hold an entry with this hash: writes under way and what is not known yet included.</summary>
    bool MayHold(ulong hash);

    /// <summary>Takes an evicted entry down. Where there is no room for what waits to be written the entry is dropped, and counted.</summary>
    void Demote(scoped in TierEntry entry);

    /// <summary>Says that an entry which was promoted and not changed since is evicted.</summary>
    /// <returns>Whether the tiers still hold it where it is best kept; if not, it is to be demoted anew.</returns>
    bool Keep(ulong hash);

    /// <summary>Says that an entry which was promoted ahead of a use, and neither used nor changed since, is evicted.</summary>
    /// <returns>Whether a tier still holds it, whichever, and goes on doing so; if not, it is to be demoted anew.</returns>
    bool KeepUnused(ulong hash) => Keep(hash);

    /// <summary>Says that a copy of an entry that the tiers hold now lies in the partition.</summary>
    void Promoted(ulong hash);

    /// <summary>Takes a write down before it is acknowledged (durability "through").</summary>
    /// <returns>False where the tier cannot take it now; then nothing changed.</returns>
    bool TryWriteThrough(scoped in TierEntry entry);

    /// <summary>Makes every record with this hash and no higher version void for good: logged before this returns. Costs next to nothing where none is held.</summary>
    void Invalidate(ulong hash, ulong version);

    /// <summary>Says that the entry with this hash is dead by something that is logged or written in its record already (expiry, tag removal, clear): its place may be used again.</summary>
    void Forget(ulong hash);

    /// <summary>Logs that what carries a tag in a partition is void, up to a version.</summary>
    /// <returns>False where there is no room to log it: then it must not be acknowledged.</returns>
    bool RemoveByTag(int partition, ReadOnlySpan<byte> tag, ulong version);

    /// <summary>Logs that everything in a partition is void, up to a version.</summary>
    /// <returns>False where there is no room to log it: then it must not be acknowledged.</returns>
    bool Clear(int partition, ulong version);

    /// <summary>Completes when everything that was logged before the call is as durable as the configuration asks.</summary>
    /// <exception cref="IOException">It could not be made so; what was answered since the last commit must not be acknowledged.</exception>
    ValueTask CommitAsync();
}
