using System.Diagnostics.CodeAnalysis;

namespace Levee.Operations;

/// <summary>
/// What came of asking the same of many partitions, or tiers, of a cache. A partition that did not do what it was asked is no part of the
/// result, and must not be passed over: so the result is to be had only together with the word whether it is whole.
/// </summary>
/// <typeparam name="T">What the answers add up to.</typeparam>
public readonly struct Survey<T>
{
    private readonly T result;
    private readonly Unanswered? unanswered;

    /// <param name="result">What the answers that came add up to.</param>
    /// <param name="unanswered">Who did not answer; null or empty where all did.</param>
    public Survey(T result, Unanswered? unanswered)
    {
        this.result = result;
        this.unanswered = unanswered is { IsEmpty: false } ? unanswered : null;
    }

    /// <summary>The result, where everybody answered.</summary>
    /// <returns>False where somebody did not; then there is no result.</returns>
    public bool TryTake([MaybeNullWhen(false)] out T whole, [NotNullWhen(false)] out Unanswered? missing)
    {
        whole = unanswered is null ? result : default;
        missing = unanswered;
        return unanswered is null;
    }

    /// <summary>The result as far as there were answers, for those who say themselves what is missing.</summary>
    /// <param name="missing">Who did not answer; null where everybody did.</param>
    public T TakePart(out Unanswered? missing)
    {
        missing = unanswered;
        return result;
    }
}
