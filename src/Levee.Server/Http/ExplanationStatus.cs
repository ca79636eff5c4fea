using System.Text;
using Levee.Operations;

namespace Levee.Server.Http;

/// <summary>Where the entry of a key lies, and why. Times are Unix milliseconds.</summary>
internal sealed record ExplanationStatus
{
    /// <summary>The key, printable ASCII as it is, other bytes percent-encoded.</summary>
    public required string Key { get; init; }

    /// <summary>Whether it lies in memory.</summary>
    public required bool InMemory { get; init; }

    /// <summary>The partition that the key belongs to.</summary>
    public required int Partition { get; init; }

    /// <summary>The eviction policy's list that the entry, or its ghost, is on; absent where it is on none.</summary>
    public string? List { get; init; }

    /// <summary>Whether the policy remembers the key as evicted lately: its next read from a tier brings it back at once.</summary>
    public required bool IsGhost { get; init; }

    /// <summary>The version, as Levee-Version has it, where it is in memory.</summary>
    public string? Version { get; init; }

    /// <summary>When it was written, where it is in memory.</summary>
    public long? WrittenAt { get; init; }

    /// <summary>When it expires, where it is in memory and does.</summary>
    public long? ExpiresAt { get; init; }

    /// <summary>The value's length, where it is in memory.</summary>
    public int? ValueBytes { get; init; }

    /// <summary>What it takes of the memory budget, where it is in memory.</summary>
    public int? MemoryBytes { get; init; }

    /// <summary>Whether a lower tier may hold the same version as memory.</summary>
    public required bool MayLieBelow { get; init; }

    /// <summary>Whether it is being loaded from a tier.</summary>
    public required bool IsLoading { get; init; }

    /// <summary>The tiers that hold it, warmest first.</summary>
    public required IReadOnlyList<PlaceStatus> Places { get; init; }

    /// <summary>What an explanation says.</summary>
    public static ExplanationStatus Of(byte[] key, EntryExplanation explanation)
    {
        var text = new StringBuilder();
        PercentText.Append(text, key);
        var isResident = explanation.IsResident;
        return new ExplanationStatus
        {
            Key = text.ToString(),
            InMemory = isResident,
            Partition = explanation.Partition,
            List = explanation.List.Length == 0 ? null : explanation.List,
            IsGhost = explanation.IsGhost,
            Version = isResident ? Preconditions.VersionText(explanation.Version) : null,
            WrittenAt = isResident ? explanation.WrittenAt : null,
            ExpiresAt = isResident && explanation.ExpiresAt != Limits.Never ? explanation.ExpiresAt : null,
            ValueBytes = isResident ? explanation.ValueBytes : null,
            MemoryBytes = isResident ? explanation.MemoryBytes : null,
            MayLieBelow = explanation.MayLieBelow,
            IsLoading = explanation.IsLoading,
            Places = [.. explanation.Places.Select(place => new PlaceStatus(
                place.Tier, place.Where, place.StoredBytes == 0 ? null : place.StoredBytes, place.Since == 0 ? null : place.Since, place.IsPromoted))],
        };
    }
}

/// <summary>Where a tier holds an entry.</summary>
/// <param name="Tier">The tier's name.</param>
/// <param name="Where">The place in it, in words.</param>
/// <param name="StoredBytes">What the record takes there; absent: not known.</param>
/// <param name="Since">Since when the tier has held it; absent: not known.</param>
/// <param name="IsPromoted">Whether a copy lies in memory.</param>
internal sealed record PlaceStatus(string Tier, string Where, long? StoredBytes, long? Since, bool IsPromoted);
