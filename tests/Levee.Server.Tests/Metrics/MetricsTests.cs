using System.Diagnostics;
using System.Diagnostics.Metrics;
using Levee.Server.Metrics;
using Levee.Server.Tests.Http;
using Levee.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Levee.Server.Tests.Metrics;

public sealed class MetricsTests : IAsyncLifetime
{
    private HttpServer server = null!;

    public async ValueTask InitializeAsync() => server = await HttpServer.StartAsync(FakePrefetching.Before, tiers: new FakeTier { Holds = static _ => false, Statistics = [SampleTiers.Files, SampleTiers.Bucket] });

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task Promtool_accepts_what_is_shown()
    {
        var registry = server.Services.GetRequiredService<MetricRegistry>();
        registry.Add(new PauseMetrics(() => [new PauseCount("default", "expiry", 3), new PauseCount("default", "odd \"name\"\n\\", 0)]));
        await UseAsync();
        var metrics = await server.GetTextAsync("/metrics");
        var promtool = Find("promtool");
        if (promtool is null)
        {
            Assert.Skip("promtool is not installed (Debian: prometheus)");
        }

        using var process = Process.Start(new ProcessStartInfo(promtool, "check metrics") { RedirectStandardInput = true, RedirectStandardError = true, RedirectStandardOutput = true })!;
        await process.StandardInput.WriteAsync(metrics);
        process.StandardInput.Close();
        var complaints = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken) + await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0 && complaints.Length == 0, complaints);
    }

    [Theory]
    [InlineData("""levee_requests_total{front_door="http",operation="get",outcome="hit"} 2""")]
    [InlineData("""levee_requests_total{front_door="http",operation="get",outcome="miss"} 1""")]
    [InlineData("""levee_requests_total{front_door="http",operation="set",outcome="stored"} 2""")]
    [InlineData("""levee_requests_total{front_door="http",operation="set",outcome="condition_failed"} 1""")]
    [InlineData("""levee_requests_total{front_door="http",operation="delete",outcome="removed"} 1""")]
    [InlineData("""levee_request_duration_seconds_count{front_door="http",operation="get"} 3""")]
    [InlineData("""levee_request_duration_seconds_bucket{front_door="http",operation="get",le="+Inf"} 3""")]
    [InlineData("""levee_received_bytes_total{front_door="http"} 101100""")]
    [InlineData("""levee_reads_total{cache="default",outcome="hit"} 2""")]
    [InlineData("""levee_entries{cache="default"} 1""")]
    [InlineData("""levee_removals_total{cache="default"} 1""")]
    [InlineData("""levee_policy_list_entries{cache="default",list="T2"} 1""")]
    [InlineData("""levee_policy_info{cache="default",policy="arc"} 1""")]
    [InlineData("levee_connections{front_door=\"http\"} 1")]
    [InlineData("levee_memory_bytes{cache=\"default\",use=\"large\"} ")]
    [InlineData("dotnet_gc_pause_seconds_total ")]
    [InlineData("process_resident_memory_bytes ")]
    [InlineData("""levee_entries_below{cache="default"} 102""")]
    [InlineData("""levee_tier_health{cache="default",tier="0",kind="file",state="healthy"} 1""")]
    [InlineData("""levee_tier_health{cache="default",tier="0",kind="file",state="degraded"} 0""")]
    [InlineData("""levee_tier_health{cache="default",tier="1",kind="s3",state="degraded"} 1""")]
    [InlineData("""levee_tier_entries{cache="default",tier="0",kind="file"} 101""")]
    [InlineData("""levee_tier_held_bytes{cache="default",tier="0",kind="file"} 103""")]
    [InlineData("""levee_tier_capacity_bytes{cache="default",tier="0",kind="file"} 104""")]
    [InlineData("""levee_tier_index_bytes{cache="default",tier="0",kind="file"} 105""")]
    [InlineData("""levee_tier_reads_total{cache="default",tier="0",kind="file",outcome="hit"} 106""")]
    [InlineData("""levee_tier_reads_total{cache="default",tier="0",kind="file",outcome="miss"} 107""")]
    [InlineData("""levee_tier_reads_total{cache="default",tier="0",kind="file",outcome="failed"} 108""")]
    [InlineData("""levee_tier_demotions_total{cache="default",tier="0",kind="file"} 109""")]
    [InlineData("""levee_tier_drops_total{cache="default",tier="0",kind="file"} 110""")]
    [InlineData("""levee_tier_carried_over_total{cache="default",tier="0",kind="file"} 111""")]
    [InlineData("""levee_tier_damaged_total{cache="default",tier="0",kind="file"} 112""")]
    [InlineData("""levee_tier_requests_total{cache="default",tier="0",kind="file",operation="write"} 113""")]
    [InlineData("""levee_tier_requests_total{cache="default",tier="0",kind="file",operation="read"} 114""")]
    [InlineData("""levee_tier_requests_total{cache="default",tier="0",kind="file",operation="delete"} 115""")]
    [InlineData("""levee_tier_written_bytes_total{cache="default",tier="0",kind="file"} 116""")]
    [InlineData("""levee_tier_read_bytes_total{cache="default",tier="0",kind="file"} 117""")]
    [InlineData("""levee_tier_given_up_generations{cache="default",tier="0",kind="file"} 118""")]
    [InlineData("""levee_tier_read_seconds{cache="default",tier="0",kind="file"} 0.0015""")]
    [InlineData("""levee_prefetch_learning{cache="default"} 1""")]
    [InlineData("""levee_prefetch_reported_total{cache="default"} 201""")]
    [InlineData("""levee_prefetch_lost_total{cache="default"} 202""")]
    [InlineData("""levee_prefetch_hints_total{cache="default"} 203""")]
    [InlineData("""levee_prefetch_dropped_total{cache="default"} 204""")]
    [InlineData("""levee_prefetch_stale_total{cache="default"} 212""")]
    [InlineData("""levee_prefetch_duplicates_total{cache="default"} 213""")]
    [InlineData("""levee_prefetch_origin_failures_total{cache="default"} 214""")]
    [InlineData("""levee_prefetch_origin_skips_total{cache="default"} 215""")]
    [InlineData("""levee_prefetch_asked_total{cache="default"} 205""")]
    [InlineData("""levee_prefetch_promoted_total{cache="default"} 206""")]
    [InlineData("""levee_prefetch_origin_loads_total{cache="default"} 207""")]
    [InlineData("""levee_prefetch_failed_total{cache="default"} 208""")]
    [InlineData("""levee_prefetch_in_flight{cache="default"} 209""")]
    [InlineData("""levee_prefetch_max_in_flight{cache="default"} 210""")]
    [InlineData("""levee_prefetch_waiting{cache="default"} 211""")]
    [InlineData("""levee_prefetch_load_seconds{cache="default"} 0.0025""")]
    [InlineData("""levee_prefetch_would_be_misses_total{cache="default"} 241""")]
    [InlineData("""levee_prefetch_issued_total{cache="default"} 242""")]
    [InlineData("""levee_prefetch_used_total{cache="default"} 243""")]
    [InlineData("""levee_prefetch_late_total{cache="default"} 244""")]
    [InlineData("""levee_prefetch_wasted_total{cache="default"} 245""")]
    [InlineData("""levee_prefetch_threshold{cache="default"} 0.625""")]
    [InlineData("""levee_prefetch_look_ahead{cache="default"} 248""")]
    [InlineData("""levee_prefetch_area_entries{cache="default"} 249""")]
    [InlineData("""levee_prefetch_waste_rate{cache="default"} 0.25""")]
    [InlineData("""levee_prefetch_pollution{cache="default"} 0.5""")]
    [InlineData("""levee_prefetch_memory_bytes{cache="default"} 250""")]
    [InlineData("""levee_prefetch_bucket_open{cache="default",bucket="stride 1, sure"} 1""")]
    [InlineData("""levee_prefetch_bucket_open{cache="default",bucket="log, doubtful"} 0""")]
    [InlineData("""levee_prefetch_bucket_precision{cache="default",bucket="stride 1, sure"} 0.75""")]
    [InlineData("""levee_prefetch_bucket_precision{cache="default",bucket="log, doubtful"} 0.125""")]
    [InlineData("""levee_prefetch_bucket_issued_total{cache="default",bucket="stride 1, sure"} 221""")]
    [InlineData("""levee_prefetch_bucket_issued_total{cache="default",bucket="log, doubtful"} 231""")]
    [InlineData("""levee_prefetch_bucket_used_total{cache="default",bucket="stride 1, sure"} 222""")]
    [InlineData("""levee_prefetch_bucket_used_total{cache="default",bucket="log, doubtful"} 232""")]
    [InlineData("""levee_prefetch_bucket_late_total{cache="default",bucket="stride 1, sure"} 223""")]
    [InlineData("""levee_prefetch_bucket_late_total{cache="default",bucket="log, doubtful"} 233""")]
    [InlineData("""levee_prefetch_bucket_wasted_total{cache="default",bucket="stride 1, sure"} 224""")]
    [InlineData("""levee_prefetch_bucket_wasted_total{cache="default",bucket="log, doubtful"} 234""")]
    [InlineData("""levee_prefetch_bucket_tested_total{cache="default",bucket="stride 1, sure"} 225""")]
    [InlineData("""levee_prefetch_bucket_tested_total{cache="default",bucket="log, doubtful"} 235""")]
    [InlineData("""levee_tier_dollars_per_day{cache="default",tier="0",kind="file",part="requests"} 0.5""")]
    [InlineData("""levee_tier_dollars_per_day{cache="default",tier="0",kind="file",part="storage"} 0.25""")]
    [InlineData("""levee_tier_dollars_per_day{cache="default",tier="0",kind="file",part="transfer"} 0.125""")]
    [InlineData("""levee_tier_saved_dollars_per_day{cache="default",tier="0",kind="file"} 2""")]
    [InlineData("""levee_tier_saved_seconds_per_day{cache="default",tier="0",kind="file"} 3600.5""")]
    public async Task What_has_been_done_is_counted(string line)
    {
        await UseAsync();
        Assert.Contains(line, await server.GetTextAsync("/metrics"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_meter_tells_the_same_with_dotnets_names()
    {
        await UseAsync();
        var seen = new Dictionary<string, long>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == LeveeMeter.Name && instrument.Meter.Scope == server.Services.GetRequiredService<IMeterFactory>())
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
            seen[$"{instrument.Name} {string.Join(' ', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}"))}"] = value);
        listener.Start();
        listener.RecordObservableInstruments();
        Assert.Equal(2, seen["levee.cache.requests cache.name=default cache.request.type=hit"]);
        Assert.Equal(1, seen["levee.cache.requests cache.name=default cache.request.type=miss"]);
        Assert.Equal(1, seen["levee.cache.entries cache.name=default"]);
        Assert.Equal(0, seen["levee.cache.evictions cache.name=sessions"]);
    }

    /// <summary>Two writes, a refused one, two hits, a miss, a removal; one entry is left.</summary>
    private async Task UseAsync()
    {
        await server.PutAsync("/caches/default/keys/a", new byte[1000]);
        await server.PutAsync("/caches/default/keys/b", new byte[100_000]);
        await server.PutAsync("/caches/default/keys/a", new byte[100], ("If-None-Match", "*"));
        await server.GetAsync("/caches/default/keys/a");
        await server.GetAsync("/caches/default/keys/a");
        await server.GetAsync("/caches/default/keys/absent");
        await server.DeleteAsync("/caches/default/keys/b");
    }

    private static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
