using System.Text.Json.Serialization;
using Levee.Operations;

namespace Levee.Orleans.Silo;

/// <summary>Reports on their way between silos, by name, so that silos of two versions understand each other's.</summary>
[JsonSourceGenerationOptions(NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(PrefetchReport))]
internal sealed partial class PrefetchReportJson : JsonSerializerContext;
