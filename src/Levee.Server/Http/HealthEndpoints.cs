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

/// <summary>Answers for orchestrators: "Healthy" or "Degraded" with 200 and then what there is to say, a problem with 503.</summary>
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

        var lines = report.Entries.Values.Select(entry => entry.Description).Where(text => !string.IsNullOrEmpty(text)).Prepend(report.Status.ToString());
        context.Response.ContentType = "text/plain; charset=utf-8";
        await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(string.Join('\n', lines)), cancellationToken).ConfigureAwait(false);
    }
}
