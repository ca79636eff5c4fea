using System.Text.Encodings.Web;
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
[JsonSerializable(typeof(TierList))]
[JsonSerializable(typeof(ExplanationStatus))]
[JsonSerializable(typeof(KeyPage))]
[JsonSerializable(typeof(KeyList))]
[JsonSerializable(typeof(EntryList))]
[JsonSerializable(typeof(NewEntryList))]
[JsonSerializable(typeof(StoreResult))]
[JsonSerializable(typeof(DeleteResult))]
[JsonSerializable(typeof(RemovedCount))]
[JsonSerializable(typeof(HintList))]
[JsonSerializable(typeof(HintResult))]
[JsonSerializable(typeof(PrefetchChange))]
[JsonSerializable(typeof(PrefetchStatus))]
internal sealed partial class LeveeJson : JsonSerializerContext
{
    /// <summary>Escapes no more than JSON itself demands: an apostrophe in a problem's detail stays one. Our answers are never put into HTML unescaped.</summary>
    public static readonly JavaScriptEncoder Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    /// <summary>What answers are written with.</summary>
    public static readonly LeveeJson Answers = new(new JsonSerializerOptions(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = Encoder,
    });
}
