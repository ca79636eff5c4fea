using Levee.Operations;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Levee.Server.Http;

/// <summary>
/// The lower tiers as one of ASP.NET's health checks: degraded where one is. It has no say in readiness, for the cache works without its tiers; a tier that is still recovering is told and
/// is no fault.
/// </summary>
internal sealed class TierHealthCheck(CacheCatalog catalog) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var lines = new List<string>();
        var isDegraded = false;
        foreach (var cache in catalog.Caches)
        {
            var tiers = (await cache.TiersAsync(cancellationToken).ConfigureAwait(false)).TakePart(out var missing);
            if (missing is not null)
            {
                isDegraded = true;
                lines.Add(missing.ToString().ReplaceLineEndings(" "));
            }

            foreach (var (_, tier) in tiers)
            {
                if (tier.Health != TierHealth.Healthy)
                {
                    isDegraded |= tier.Health == TierHealth.Degraded;
                    lines.Add($"cache {cache.Name}: tier {tier.Name} is {TierHealthText.Of(tier.Health)}{(tier.Problem.Length == 0 ? "" : ": ")}{tier.Problem.ReplaceLineEndings(" ")}");
                }
            }
        }

        var text = lines.Count == 0 ? null : string.Join('\n', lines);
        return isDegraded ? HealthCheckResult.Degraded(text) : HealthCheckResult.Healthy(text);
    }
}
