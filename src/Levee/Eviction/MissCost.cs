namespace Levee.Eviction;

/// <summary>What it costs to miss an entry: what a hit is worth. The unit is the owner's choice: misses, bytes, money.</summary>
/// <param name="Fixed">What every miss costs, whatever the entry weighs; 0 or more.</param>
/// <param name="PerUnit">What is added for each unit of weight; 0 or more. One of both is above 0.</param>
internal readonly record struct MissCost(double Fixed, double PerUnit)
{
    /// <summary>Every miss costs the same: the object hit ratio is what counts.</summary>
    public static MissCost Objects { get; } = new(1, 0);

    /// <summary>A miss costs what the entry weighs: the byte hit ratio is what counts.</summary>
    public static MissCost Bytes { get; } = new(0, 1);

    /// <summary>The cost of missing an entry of some weight.</summary>
    public double Of(int weight) => Fixed + (PerUnit * weight);
}
