namespace Levee.Eviction;

/// <summary>What a <c>CheckInvariants</c> calls: a broken invariant ends the test that asked, with a sentence that says which one.</summary>
internal static class Invariant
{
    /// <summary>Throws where an invariant does not hold.</summary>
    /// <exception cref="InvalidOperationException">It does not hold.</exception>
    public static void Holds(bool holds, FormattableString broken)
    {
        if (!holds)
        {
            throw new InvalidOperationException(FormattableString.Invariant(broken));
        }
    }
}
