namespace Levee.Tiers.Segments;

/// <summary>What was found where a tier's state should be.</summary>
public enum StateOutcome
{
    /// <summary>There was none: a first generation has begun.</summary>
    New,

    /// <summary>What the tier logged is all there: its generation goes on.</summary>
    Continued,

    /// <summary>What the tier logged may not all be there: a new generation has begun, and the old one, where its name could be read, is given up.</summary>
    Unvouched,
}

/// <summary>What was found where a tier's state should be, and why that is so, for people.</summary>
/// <param name="Outcome">What.</param>
/// <param name="Reason">Why.</param>
public sealed record StateFinding(StateOutcome Outcome, string Reason);
