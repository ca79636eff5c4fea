namespace Levee.Server.Metrics;

/// <summary>The process and its runtime: memory, processor time, garbage collection.</summary>
public sealed class RuntimeMetrics(TimeProvider time) : IMetricSource
{
    private readonly long began = time.GetTimestamp();
    private readonly double startedAtSeconds = time.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0;

    /// <inheritdoc/>
    public void Collect(MetricWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        var processor = Environment.CpuUsage;
        writer.Counter("process_cpu_seconds_total", "Processor time of the process, user and system.", processor.TotalTime.TotalSeconds);
        writer.Gauge("process_resident_memory_bytes", "Resident set of the process.", Environment.WorkingSet);
        writer.Gauge("process_start_time_seconds", "When the server was started, in Unix seconds.", startedAtSeconds);
        writer.Gauge("levee_uptime_seconds", "How long the server has been up.", time.GetElapsedTime(began).TotalSeconds);
        writer.Counter("dotnet_gc_pause_seconds_total", "How long the garbage collector has paused the process.", GC.GetTotalPauseDuration().TotalSeconds);
        for (var generation = 0; generation <= GC.MaxGeneration; generation++)
        {
            writer.Counter("dotnet_gc_collections_total", "Garbage collections, by the oldest generation they collected.",
                GC.CollectionCount(generation) - (generation < GC.MaxGeneration ? GC.CollectionCount(generation + 1) : 0), ("generation", $"gen{generation}"));
        }

        writer.Gauge("dotnet_gc_heap_bytes", "Managed heap, without fragmentation.", GC.GetTotalMemory(false));
        writer.Gauge("dotnet_gc_committed_bytes", "Memory that the garbage collector had committed at its last collection.", GC.GetGCMemoryInfo().TotalCommittedBytes);
        writer.Counter("dotnet_gc_allocated_bytes_total", "Managed bytes allocated.", GC.GetTotalAllocatedBytes());
        writer.Gauge("dotnet_thread_pool_threads", "Threads of the pool.", ThreadPool.ThreadCount);
        writer.Gauge("dotnet_thread_pool_queue_items", "Work that waits for a thread of the pool.", ThreadPool.PendingWorkItemCount);
    }
}
