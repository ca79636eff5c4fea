using Levee.Operations;

namespace Levee.Server;

/// <summary>A tier's health as all front doors and the metrics spell it. The words are part of the protocol.</summary>
internal static class TierHealthText
{
    /// <summary>"healthy", "recovering" or "degraded".</summary>
    public static string Of(TierHealth health) => health.ToString().ToLowerInvariant();
}
