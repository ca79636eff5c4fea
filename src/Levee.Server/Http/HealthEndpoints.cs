using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Levee.Server.Http;

/// <summary>The readiness state as one of ASP.NET's health checks. Others join in by the tag "ready".</summary>
internal sealed class ReadinessCheck(ReadinessState readiness) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(readiness.Obstacle is { } obstacle ? HealthCheckResult.Unhealthy(obstacle) : HealthCheckResult.Healthy());
}

/// <summary>Answers for orchestrators: "Healthy" or "Degraded" with 200, a problem with 503.</summary>
internal static class HealthEndpoints
{
    public static async Task AnswerAsync(HttpContext context, HealthCheckService health, Func<HealthCheckRegistration, bool> includes, CancellationToken cancellationToken)
    {
        var report = await health.CheckHealthAsync(includes, cancellationToken).ConfigureAwait(false);
        context.Response.Headers.CacheControl = "no-store";
        if (report.Status == HealthStatus.Unhealthy)
        {
            var reasons = report.Entries.Where(entry => entry.Value.Status == HealthStatus.Unhealthy).Select(entry => $"{entry.Key}: {entry.Value.Description}");
            await Problems.WriteAsync(context, Problems.NotReady(string.Join("; ", reasons))).ConfigureAwait(false);
            return;
        }

        context.Response.ContentType = "text/plain";
        await context.Response.Body.WriteAsync(Encoding.ASCII.GetBytes(report.Status.ToString()), cancellationToken).ConfigureAwait(false);
    }
}
