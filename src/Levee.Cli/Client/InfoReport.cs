using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Levee.Cli.Client;

/// <summary>The reply to <c>INFO</c>: sections headed <c># Name</c>, lines of <c>key:value</c>.</summary>
internal sealed class InfoReport
{
    private readonly List<(string Name, List<(string Key, string Value)> Lines)> sections = [];

    /// <summary>Reads a reply; lines that are neither header nor pair are passed over, as clients of INFO must.</summary>
    public static InfoReport Parse(string text)
    {
        var report = new InfoReport();
        foreach (var line in text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith('#'))
            {
                report.sections.Add((line[1..].Trim(), []));
            }
            else if (line.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon)
            {
                if (report.sections.Count == 0)
                {
                    report.sections.Add(("General", []));
                }

                report.sections[^1].Lines.Add((line[..colon], line[(colon + 1)..]));
            }
        }

        return report;
    }

    /// <summary>One table of keys and values per section; figures in bytes also in a unit that can be read.</summary>
    public string ToTables()
    {
        var text = new StringBuilder();
        foreach (var (name, lines) in sections)
        {
            text.Append(text.Length > 0 ? Environment.NewLine : "").AppendLine(name);
            var width = lines.Count == 0 ? 0 : lines.Max(static line => line.Key.Length);
            foreach (var (key, value) in lines)
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"  {key.PadRight(width)}  {value}{Readable(key, value)}");
            }
        }

        return text.ToString().TrimEnd();
    }

    /// <summary>An object of sections (names in lower case), numbers as numbers.</summary>
    public string ToJson()
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            foreach (var (name, lines) in sections)
            {
                writer.WriteStartObject(name.ToLowerInvariant());
                foreach (var (key, value) in lines)
                {
                    if (long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer) && integer.ToString(CultureInfo.InvariantCulture) == value)
                    {
                        writer.WriteNumber(key, integer);
                    }
                    else
                    {
                        writer.WriteString(key, value);
                    }
                }

                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private static string Readable(string key, string value)
    {
        if (!key.EndsWith("bytes", StringComparison.Ordinal) || !long.TryParse(value, out var bytes) || bytes < 1024)
        {
            return "";
        }

        string[] units = ["KiB", "MiB", "GiB", "TiB"];
        var size = bytes / 1024.0;
        var unit = 0;
        while (size >= 1024 && unit < units.Length - 1)
        {
            size /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"  ({size:0.0} {units[unit]})");
    }
}
