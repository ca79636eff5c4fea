namespace Levee.Tiers;

/// <summary>A tier cannot be used as it was configured, or its state cannot be vouched for. The message says what was wrong and what would be right; it holds no secret.</summary>
public sealed class TierException : Exception
{
    /// <param name="message">What was wrong.</param>
    /// <param name="inner">Its cause.</param>
    public TierException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
