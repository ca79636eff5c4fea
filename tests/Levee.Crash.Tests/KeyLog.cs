using Levee.CrashChild;
using Levee.Operations;

namespace Levee.Crash.Tests;

/// <summary>Something that was done, or begun, to a key. When it took effect is known as an interval of places in the log.</summary>
internal sealed class Deed
{
    public required Act Act { get; init; }

    public required long Op { get; init; }

    /// <summary>The place in the log at which it was begun.</summary>
    public required long Begin { get; init; }

    /// <summary>The place before which it took effect, if it ever did: its acknowledgement, or its process' death.</summary>
    public long End { get; set; } = long.MaxValue;

    /// <summary>Whether it is known to have taken effect.</summary>
    public bool IsKnown { get; set; }

    /// <summary>Whether it was answered by a refusal that leaves it open what has happened.</summary>
    public bool IsRefused { get; set; }

    /// <summary>Whether the entry was there afterwards.</summary>
    public bool LeavesEntry { get; init; }

    public short Tag { get; set; } = -1;

    /// <summary>The version that it asked for; 0: any.</summary>
    public ulong AskedVersion { get; init; }

    public ulong Version { get; set; }

    public long ExpiresAt { get; set; }

    /// <summary>How far the cache's clock was behind the machine's when it was begun, at the least.</summary>
    public int BehindMs { get; init; }

    /// <summary>The operation that wrote the value, or the counter's value.</summary>
    public long Value { get; set; }

    public override string ToString() =>
        $"{Act} op {Op} at {Begin}..{(End == long.MaxValue ? "?" : End)}{(IsKnown ? "" : IsRefused ? " refused" : " not acknowledged")} value {Value} version {Version} expires {(ExpiresAt == Limits.Never ? "never" : ExpiresAt)} tag {Tag}";
}

/// <summary>What was done to one key, in order.</summary>
internal sealed class KeyLog
{
    private const int MostDeeds = 200;

    public List<Deed> Deeds { get; } = [];

    public ulong HighestVersion { get; set; }

    /// <summary>Forgets what is long over. What is read and not found here is too old anyway.</summary>
    public void Trim()
    {
        if (Deeds.Count > 2 * MostDeeds)
        {
            Deeds.RemoveRange(0, Deeds.Count - MostDeeds);
        }
    }
}
