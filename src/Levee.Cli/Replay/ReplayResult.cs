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
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(IReadOnlyList<ReplayResult>))]
internal sealed partial class ReplayJson : JsonSerializerContext;
