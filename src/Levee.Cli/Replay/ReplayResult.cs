using System.Text.Json.Serialization;
using Levee.Learning;

namespace Levee.Cli.Replay;

/// <summary>What one policy made of one trace at one capacity.</summary>
/// <param name="Trace">The trace's name.</param>
/// <param name="Policy">The policy's name.</param>
/// <param name="Capacity">Entries or bytes.</param>
/// <param name="Requests">Length of the trace.</param>
/// <param name="Hits">Requests that were hits.</param>
/// <param name="Switches">What "auto" changed to, when and why; null for other policies.</param>
internal sealed record ReplayResult(string Trace, string Policy, long Capacity, long Requests, long Hits, IReadOnlyList<SimulatedSwitch>? Switches = null)
{
    /// <summary>Part of the requests that were hits, from 0 to 1.</summary>
    public double HitRatio => (double)Hits / Requests;

    /// <summary>What prefetching made of it; null where nobody asked.</summary>
    public PrefetchResult? Prefetch { get; init; }
}

/// <summary>What prefetching made of a trace, against the same policy without.</summary>
/// <param name="Policy">The policy, to which it is also compared: that of the result, or what auto came to.</param>
/// <param name="LoadLatency">How many accesses a load takes.</param>
/// <param name="Hits">Requests that were hits.</param>
/// <param name="HitRatio">Part of the requests that were hits, from 0 to 1.</param>
/// <param name="MissesCut">The part of the misses, from 0 to 1, that became hits; below 0 where there are more than without.</param>
/// <param name="Loads">Loads ahead of their use.</param>
/// <param name="Used">Those of them that were used in time.</param>
/// <param name="Precision">Part of the loads ahead that were used, in time or late, from 0 to 1.</param>
/// <param name="Late">Misses that joined a load ahead: they waited, but less.</param>
/// <param name="ExtraLoads">How many more loads there were, as a part of those without prefetching.</param>
internal sealed record PrefetchResult(string Policy, int LoadLatency, long Hits, double HitRatio, double MissesCut, long Loads, long Used, double Precision, long Late, double ExtraLoads);

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(IReadOnlyList<ReplayResult>))]
internal sealed partial class ReplayJson : JsonSerializerContext;
