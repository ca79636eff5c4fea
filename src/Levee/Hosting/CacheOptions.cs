using Levee.Eviction;
using Levee.Learning;
using Levee.Operations;

namespace Levee.Hosting;

/// <summary>What a cache is configured with.</summary>
public sealed record CacheOptions
{
    /// <summary>The smallest budget, in bytes.</summary>
    public const long MinMemoryBytes = 16L << 20;

    /// <summary>The cache's name: 1 to 64 letters, digits, '-', '_' and '.', the first no '.'.</summary>
    public string Name { get; init; } = "default";

    /// <summary>Memory budget in bytes: keys, values, index and ghosts, all included. At least 16 MiB.</summary>
    public long MemoryBytes { get; init; } = 256L << 20;

    /// <summary>Number of partitions, a power of two from 1 to 1,024; 0: chosen from the budget (one per 128 MiB, at most 64).</summary>
    public int Partitions { get; init; }

    /// <summary>The policy that chooses among the others.</summary>
    public const string AutoPolicy = "auto";

    /// <summary>The eviction policy: "arc" (default), "lru", "s3-fifo", "w-tinylfu", "lirs", "gdsf", or "auto", which compares them on samples and hands over to another where that is better.</summary>
    public string Policy { get; init; } = "arc";

    /// <summary>What a hit is worth, for "auto" and "gdsf": each the same, by its bytes, or by what it saves in money.</summary>
    public PolicyObjective PolicyObjective { get; init; } = PolicyObjective.Objects;

    /// <summary>All that <see cref="Policy"/> may be.</summary>
    public static IReadOnlyList<string> AllowedPolicies { get; } = [.. Policies.Names, AutoPolicy];

    /// <summary>TTL of entries that are written without one; zero: none.</summary>
    public TimeSpan DefaultTtl { get; init; }

    /// <summary>A random part of up to this is taken off the default TTL; at most the TTL itself.</summary>
    public TimeSpan DefaultTtlJitter { get; init; }

    /// <summary>Longest value in bytes; 0: the smaller of 64 MiB and a sixteenth of the budget, which is also the most that is accepted.</summary>
    public int MaxValueBytes { get; init; }

    /// <summary>Whether a write is in the first tier before it is acknowledged; needs one.</summary>
    public bool WritesThrough { get; init; }

    /// <summary>Checks all values.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it, its value and what is allowed.</exception>
    public void Validate()
    {
        // A name becomes a folder's: with a dot in front it could be one that is elsewhere, or hidden.
        Check(Name.Length is >= 1 and <= 64 && Name[0] != '.' && Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'), nameof(Name), Name, "1 to 64 letters, digits, '-', '_' and '.', the first no '.'");
        Check(IsTiny || MemoryBytes >= MinMemoryBytes, nameof(MemoryBytes), MemoryBytes, $"at least {MinMemoryBytes} bytes (16mb)");
        Check(Partitions == 0 || (Partitions is > 0 and <= 1024 && int.IsPow2(Partitions)), nameof(Partitions), Partitions, "a power of two from 1 to 1024, or 0 to choose from the budget");
        Check(IsTiny || Partitions == 0 || MemoryBytes / Partitions >= MinPartitionBytes, nameof(Partitions), Partitions, $"at most one partition for each {MinPartitionBytes >> 20} MiB of memory");
        Check(AllowedPolicies.Contains(Policy), nameof(Policy), Policy, string.Join(", ", AllowedPolicies));
        Check(PolicyObjective is { IsValid: true }, nameof(PolicyObjective), PolicyObjective, "costs of 0 or more, one of them above 0");
        Check(DefaultTtl >= TimeSpan.Zero, nameof(DefaultTtl), DefaultTtl, "zero (none) or more");
        Check(DefaultTtlJitter >= TimeSpan.Zero && DefaultTtlJitter <= DefaultTtl, nameof(DefaultTtlJitter), DefaultTtlJitter, "from zero to the default TTL");
        Check(MaxValueBytes >= 0 && MaxValueBytes <= LargestValueBytes, nameof(MaxValueBytes), MaxValueBytes, $"from 1 to {LargestValueBytes} bytes (the smaller of 64 MiB and a sixteenth of the memory, and within one partition), or 0 for that");
    }

    internal const long MinPartitionBytes = 8L << 20;

    /// <summary>Whether the smallest budgets do not hold: a test that wants evictions at once.</summary>
    internal bool IsTiny { get; init; }

    /// <summary>How many partitions the cache has.</summary>
    public int EffectivePartitions =>
        Partitions != 0 ? Partitions : (int)Math.Clamp((long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)Math.Max(1, MemoryBytes >> 27) + 1) >> 1, 1, 64);

    /// <summary>A sixteenth of the budget is kept as the reserve that large values may draw on while their partition makes room.</summary>
    internal long ReserveBytes => MemoryBytes / 16;

    internal long PartitionBytes => (MemoryBytes - ReserveBytes) / EffectivePartitions;

    internal int LargestValueBytes => (int)Math.Min(Math.Min(Limits.MaxValueBytes, MemoryBytes / 16), PartitionBytes / 4 * 3);

    internal int EffectiveMaxValueBytes => MaxValueBytes == 0 ? LargestValueBytes : MaxValueBytes;

    private static void Check(bool holds, string option, object value, string allowed)
    {
        if (!holds)
        {
            throw new ArgumentException($"{option} is '{value}'; allowed: {allowed}.", option);
        }
    }
}
