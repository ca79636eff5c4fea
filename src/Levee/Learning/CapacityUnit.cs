namespace Levee.Learning;

/// <summary>What the capacity of a simulated cache counts.</summary>
public enum CapacityUnit
{
    /// <summary>Every entry takes one place, whatever its size.</summary>
    Entries,

    /// <summary>Every entry takes its size in bytes.</summary>
    Bytes,
}
