namespace Levee.Tiers.Money;

/// <summary>What one load from the origin costs: of a cache, and later of an entry. What is not known is zero.</summary>
public readonly record struct OriginCost
{
    /// <param name="milliseconds">How long a load takes; 0: not known.</param>
    /// <param name="dollars">What a load costs in US dollars; 0: not known.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is negative or not finite.</exception>
    public OriginCost(double milliseconds, double dollars)
    {
        Milliseconds = Checked(milliseconds, nameof(milliseconds));
        Dollars = Checked(dollars, nameof(dollars));
    }

    /// <summary>Nothing is known.</summary>
    public static OriginCost Unknown => default;

    /// <summary>How long a load takes; 0: not known.</summary>
    public double Milliseconds { get; }

    /// <summary>What a load costs in US dollars; 0: not known.</summary>
    public double Dollars { get; }

    private static double Checked(double value, string name) =>
        double.IsFinite(value) && value >= 0 ? value : throw new ArgumentOutOfRangeException(name, value, "An origin's cost is a number from 0 on.");
}
