namespace Levee.CrashChild;

/// <summary>Mechanisms that a test can switch off.</summary>
public static class Switch
{
    /// <summary>Tombstones are not written.</summary>
    public const string Tombstones = "tombstones";

    /// <summary>Tag removals are not logged.</summary>
    public const string TagRemovals = "tag-removals";

    /// <summary>Tag removals that are found in the log are not told to the partitions.</summary>
    public const string RecoveredTagRemovals = "recovered-tag-removals";

    /// <summary>Clears are not logged.</summary>
    public const string Clears = "clears";

    /// <summary>Clocks are given out without being reserved.</summary>
    public const string Clocks = "clocks";

    /// <summary>Answers are acknowledged before what they wrote is committed.</summary>
    public const string Commits = "commits";
}
