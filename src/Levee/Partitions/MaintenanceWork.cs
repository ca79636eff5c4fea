namespace Levee.Partitions;

/// <summary>What a slice of background work was for.</summary>
public enum MaintenanceWork
{
    /// <summary>Nothing to do.</summary>
    None,

    /// <summary>Gave back memory of a cleared cache.</summary>
    Clear,

    /// <summary>Evicted to pay back memory that large values had overdrawn.</summary>
    Payback,

    /// <summary>Swept entries of invalidated tags.</summary>
    Tags,

    /// <summary>Reclaimed expired entries.</summary>
    Expiry,

    /// <summary>Handed entries over from one eviction policy to another.</summary>
    Switch,
}
