namespace Levee.Partitions;

/// <summary>
/// Hears what copies of entries outside a partition, in near caches, must forget. Called when a change takes effect, before its answer, while the partition is held: so it neither blocks nor calls the host.
/// What expires or is evicted is not told: a copy has the entry's expiry, and an evicted entry was not changed.
/// </summary>
public interface IInvalidationListener
{
    /// <summary>
    /// The entry of a key was written, removed or given another TTL, or may have been: a write that found no memory is told too. Told again, after the answer, where a reader that had asked before a write is shown what the
    /// write replaced.
    /// </summary>
    /// <param name="hash">The key's routing hash.</param>
    void Changed(ulong hash);

    /// <summary>What carries a tag in a partition is no longer true.</summary>
    void TagRemoved(int partition, ReadOnlySpan<byte> tag);

    /// <summary>A partition was emptied.</summary>
    void Cleared(int partition);
}
