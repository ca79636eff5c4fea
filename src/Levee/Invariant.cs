namespace Levee;

/// <summary>Checks that tests ask for.</summary>
internal static class Invariant
{
    /// <summary>Throws where a condition that must always hold does not.</summary>
    public static void Holds(bool condition, string invariant)
    {
        if (!condition)
        {
            throw new InvalidOperationException($"Invariant broken: {invariant}.");
        }
    }
}
