using Microsoft.Extensions.Configuration;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Levee.Serving.Hosting;

/// <summary>Traces and metrics sent by OTLP, where the standard variables of OpenTelemetry name a collector.</summary>
internal sealed class Telemetry : IDisposable
{
    private const string EndPoint = "OTEL_EXPORTER_OTLP_ENDPOINT";

    private readonly TracerProvider traces;
    private readonly MeterProvider metrics;

    private Telemetry(ResourceBuilder resource)
    {
        traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource)
            .AddSource("Microsoft.AspNetCore", "Microsoft.Orleans.Application", "Microsoft.Orleans.Lifecycle", "Microsoft.Orleans.Storage")
            .AddOtlpExporter()
            .Build();
        metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource)
            .AddMeter("Levee", "Microsoft.Orleans", "System.Runtime", "Microsoft.AspNetCore.Hosting")
            .AddOtlpExporter()
            .Build();
    }

    /// <summary>Starts it; null where no collector is named. What else the variables OTEL_* say (headers, protocol, sampling) is OpenTelemetry's own affair.</summary>
    public static Telemetry? Start(IConfiguration configuration, ClusterSettings cluster) =>
        configuration[EndPoint] is { Length: > 0 }
            ? new Telemetry(ResourceBuilder.CreateDefault().AddService("levee", cluster.ClusterId, serviceInstanceId: cluster.Name).AddEnvironmentVariableDetector())
            : null;

    /// <inheritdoc/>
    public void Dispose()
    {
        traces.Dispose();
        metrics.Dispose();
    }
}
