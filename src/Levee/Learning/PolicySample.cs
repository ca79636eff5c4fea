namespace Levee.Learning;

/// <summary>What happened to a key of the sample.</summary>
internal enum PolicySampleKind : byte
{
    /// <summary>A read; its weight is 0 where nothing was found.</summary>
    Read,

    /// <summary>A write that was stored.</summary>
    Store,

    /// <summary>The entry was removed, had expired or was invalidated.</summary>
    Remove,

    /// <summary>A partition was cleared; the hash begins with its number.</summary>
    Clear,
}

/// <summary>An event of the sample, as a partition notes it.</summary>
/// <param name="Hash">The routing hash of the key.</param>
/// <param name="ExpiresAt">When the entry expires, in Unix milliseconds; <see cref="long.MaxValue"/>: never.</param>
/// <param name="Weight">What the entry weighs.</param>
/// <param name="Kind">What happened.</param>
internal readonly record struct PolicySample(ulong Hash, long ExpiresAt, int Weight, PolicySampleKind Kind);
