using Levee.Operations;

namespace Levee.Caching;

/// <summary>How a write ended.</summary>
/// <param name="Outcome">Stored, Removed, Miss, ConditionFailed, TooLarge or OutOfMemory.</param>
/// <param name="Version">The entry's version: as written where it was stored, the present one where a condition failed; 0 where there is no entry.</param>
/// <param name="Limit">The bytes that are allowed, where the outcome is <see cref="Outcome.TooLarge"/>; else 0.</param>
public readonly record struct SetResult(Outcome Outcome, ulong Version, long Limit)
{
    /// <summary>Whether the entry now is as the caller asked.</summary>
    public bool IsDone => Outcome is Outcome.Stored or Outcome.Removed;
}

/// <summary>How an operation ended that yields a number.</summary>
/// <param name="Outcome">Stored, or why not: WrongKind, NotANumber, Overflow, TooLarge, OutOfMemory.</param>
/// <param name="Value">The sum, or the length in bytes after an append; where the outcome is <see cref="Outcome.TooLarge"/>, the bytes that are allowed.</param>
/// <param name="Version">The entry's version where it was stored.</param>
/// <typeparam name="T">The number's type.</typeparam>
public readonly record struct NumberResult<T>(Outcome Outcome, T Value, ulong Version)
{
    /// <summary>Whether the entry now is as the caller asked.</summary>
    public bool IsDone => Outcome == Outcome.Stored;
}
