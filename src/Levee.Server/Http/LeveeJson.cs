using System.Text.Json;
using System.Text.Json.Serialization;

namespace Levee.Server.Http;

/// <summary>Everything that the HTTP front door reads and writes as JSON; generated, without reflection.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    NumberHandling = JsonNumberHandling.Strict)]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(CacheList))]
[JsonSerializable(typeof(CacheStatus))]
[JsonSerializable(typeof(KeyPage))]
[JsonSerializable(typeof(KeyList))]
[JsonSerializable(typeof(EntryList))]
[JsonSerializable(typeof(NewEntryList))]
[JsonSerializable(typeof(StoreResult))]
[JsonSerializable(typeof(DeleteResult))]
[JsonSerializable(typeof(RemovedCount))]
internal sealed partial class LeveeJson : JsonSerializerContext;
