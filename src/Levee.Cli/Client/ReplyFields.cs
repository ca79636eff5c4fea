using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Levee.Resp;

namespace Levee.Cli.Client;

/// <summary>A reply that is pairs of name and value: a map, or a flat array in RESP2. What a server does not tell reads as empty, so that servers and tools of different ages get on.</summary>
internal sealed class ReplyFields
{
    private static readonly string[] Units = ["_ms", "_seconds", "_per_day", "_rate", "precision", "threshold", "pollution"];

    private readonly List<(string Name, RespValue Value)> pairs = [];

    /// <summary>Reads a reply.</summary>
    public static ReplyFields Read(RespValue reply)
    {
        var fields = new ReplyFields();
        var items = reply.Items.Span;
        for (var i = 0; i + 1 < items.Length; i += 2)
        {
            fields.pairs.Add((items[i].ToString(), items[i + 1]));
        }

        return fields;
    }

    /// <summary>A text; empty where there is none.</summary>
    public string Text(string name) => Find(name) is { IsNull: false } value ? value.ToString() : "";

    /// <summary>An integer; 0 where there is none.</summary>
    public long Integer(string name) => Find(name) is { IsNull: false } value ? value.AsInteger() : 0;

    /// <summary>Whether a flag is there and set.</summary>
    public bool IsSet(string name) => Integer(name) != 0;

    /// <summary>A number; null where there is none.</summary>
    public double? Number(string name) => Find(name) is { IsNull: false } value ? value.AsDouble() : null;

    /// <summary>The pairs of each element of an array.</summary>
    public IReadOnlyList<ReplyFields> List(string name) => Find(name) is { } value ? [.. value.Items.ToArray().Select(Read)] : [];

    /// <summary>The same with one more pair.</summary>
    public ReplyFields With(string name, RespValue value)
    {
        var more = new ReplyFields();
        more.pairs.AddRange(pairs);
        more.pairs.Add((name, value));
        return more;
    }

    /// <summary>Objects as a JSON array, numbers as numbers.</summary>
    public static string ToJson(IReadOnlyList<ReplyFields> objects)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            Write(writer, objects);
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private static void Write(Utf8JsonWriter writer, IEnumerable<ReplyFields> objects)
    {
        writer.WriteStartArray();
        foreach (var fields in objects)
        {
            writer.WriteStartObject();
            foreach (var (name, value) in fields.pairs)
            {
                writer.WritePropertyName(name);
                Write(writer, name, value);
            }

            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    // A double comes as text in RESP2; its name ends in what it measures.
    private static void Write(Utf8JsonWriter writer, string name, RespValue value)
    {
        if (value.IsNull)
        {
            writer.WriteNullValue();
        }
        else if (value.Kind == RespKind.Array)
        {
            Write(writer, value.Items.ToArray().Select(Read));
        }
        else if (value.Kind == RespKind.Integer)
        {
            writer.WriteNumberValue(value.AsInteger());
        }
        else if (Units.Any(unit => name.EndsWith(unit, StringComparison.Ordinal)) && double.TryParse(value.ToString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number))
        {
            writer.WriteNumberValue(number);
        }
        else
        {
            writer.WriteStringValue(value.ToString());
        }
    }

    private RespValue? Find(string name)
    {
        foreach (var (other, value) in pairs)
        {
            if (other == name)
            {
                return value;
            }
        }

        return null;
    }
}
