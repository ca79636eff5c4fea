namespace Levee.Partitions;

/// <summary>
/// What a partition whose contents are still coming knows not to take any more: keys that were written, removed or taken down since it opened, by hash. In many small sets, so that none
/// takes long to grow. One owner, one call at a time.
/// </summary>
/// <param name="mostVoided">How many hashes can be remembered.</param>
internal sealed class ArrivingKeys(int mostVoided)
{
    private const int SetCount = 256;

    private readonly HashSet<ulong>?[] sets = new HashSet<ulong>?[SetCount];

    /// <summary>Hashes remembered.</summary>
    public int Count { get; private set; }

    /// <summary>Whether what comes with this hash is void.</summary>
    public bool IsVoid(ulong hash) => sets[hash % SetCount]?.Contains(hash) ?? false;

    /// <summary>Remembers a hash.</summary>
    /// <returns>False where there is no room to remember it.</returns>
    public bool TryVoid(ulong hash)
    {
        var set = sets[hash % SetCount] ??= [];
        if (Count >= mostVoided)
        {
            return set.Contains(hash);
        }

        Count += set.Add(hash) ? 1 : 0;
        return true;
    }
}
