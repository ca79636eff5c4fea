using System.Globalization;
using System.Text;
using Levee.Operations;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Levee.Server.Http;

/// <summary>An entry's metadata as headers and query parameters.</summary>
internal static class EntryHeaders
{
    public const string Tags = "Levee-Tags";
    public const string Flags = "Levee-Flags";
    public const string Version = "Levee-Version";
    public const string DefaultContentType = "application/octet-stream";

    /// <summary>What curl sends with <c>--data-binary</c> unless told otherwise; nobody means it of a value, so it counts as no type.</summary>
    private const string CurlsContentType = "application/x-www-form-urlencoded";

    /// <summary>Reads all metadata of a write.</summary>
    /// <returns>Null, or what is wrong with it.</returns>
    public static Problem? Read(HttpRequest request, out EntryMetadata metadata)
    {
        metadata = default;
        if (ReadLifetime(request, out var lifetime) is { } badLifetime)
        {
            return badLifetime;
        }

        if (ReadTags(request.Headers[Tags], out var tags) is { } badTags)
        {
            return badTags;
        }

        uint flags = 0;
        var flagsText = request.Headers[Flags].ToString();
        if (flagsText.Length > 0 && !uint.TryParse(flagsText, NumberStyles.None, CultureInfo.InvariantCulture, out flags))
        {
            return Problems.BadValue(Flags, flagsText, "a whole number from 0 to 4294967295");
        }

        var contentType = request.ContentType ?? "";
        if (!TryEncodeContentType(contentType == CurlsContentType ? "" : contentType, out var contentTypeBytes))
        {
            return Problems.BadValue("Content-Type", contentType, $"up to {Limits.MaxContentTypeBytes} bytes of ASCII");
        }

        metadata = new EntryMetadata(contentTypeBytes, tags, flags, lifetime);
        return null;
    }

    /// <summary>Reads the TTL: <c>ttl=</c> before <c>Cache-Control: max-age</c>, and <c>sliding=</c>.</summary>
    /// <returns>Null, or what is wrong with it.</returns>
    public static Problem? ReadLifetime(HttpRequest request, out Lifetime lifetime)
    {
        lifetime = default;
        if (request.Query.TryGetValue("ttl", out var ttl))
        {
            if (!Lifetime.TryParse(ttl.ToString(), out lifetime))
            {
                return Problems.BadValue("ttl", ttl.ToString(), Lifetime.Allowed);
            }
        }
        else if (MaxAge(request.Headers.CacheControl) is { } maxAge && !Lifetime.TryFromSeconds(maxAge, out lifetime))
        {
            return Problems.BadValue("Cache-Control: max-age", maxAge, "whole seconds from 1 on");
        }

        if (request.Query.TryGetValue("sliding", out var sliding) && !lifetime.TryAddSliding(sliding.ToString(), out lifetime))
        {
            return Problems.BadValue("sliding", sliding.ToString(), Lifetime.Allowed);
        }

        return null;
    }

    /// <summary>A content type as the engine keeps it.</summary>
    public static bool TryEncodeContentType(string text, out byte[] bytes)
    {
        bytes = [];
        if (text.Length > Limits.MaxContentTypeBytes || text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
        {
            return false;
        }

        bytes = Encoding.ASCII.GetBytes(text);
        return true;
    }

    /// <summary>Packs tags.</summary>
    /// <returns>Null, or what is wrong with one.</returns>
    public static Problem? PackTags(IEnumerable<(string Text, byte[] Bytes)> tags, out byte[] packed)
    {
        Span<byte> buffer = stackalloc byte[Limits.MaxPackedTagsBytes];
        var length = 0;
        foreach (var (text, bytes) in tags)
        {
            var written = TagList.Write(buffer[length..], bytes);
            if (written == 0)
            {
                packed = [];
                return Problems.BadTag(text);
            }

            length += written;
        }

        packed = buffer[..length].ToArray();
        return null;
    }

    /// <summary>Writes an entry's metadata to a response.</summary>
    public static void Write(HttpResponse response, EntryCopy entry, long now)
    {
        var headers = response.Headers;
        headers.ETag = Preconditions.TagOf(entry.Version);
        headers[Version] = Preconditions.VersionText(entry.Version);
        var ageSeconds = Math.Max(0, now - entry.WrittenAt) / 1000;
        headers.Age = ageSeconds.ToString(CultureInfo.InvariantCulture);
        if (entry.ExpiresAt != Limits.Never)
        {
            // A cache on the way subtracts Age from max-age: what it is left with must be the TTL left.
            var leftSeconds = Math.Max(0, entry.ExpiresAt - now) / 1000;
            headers.CacheControl = $"max-age={(ageSeconds + leftSeconds).ToString(CultureInfo.InvariantCulture)}";
        }

        if (entry.Flags != 0)
        {
            headers[Flags] = entry.Flags.ToString(CultureInfo.InvariantCulture);
        }

        if (!entry.Tags.IsEmpty)
        {
            headers[Tags] = TagsText(entry.Tags);
        }
    }

    /// <summary>Writes what describes the value to a response that carries it, or would.</summary>
    public static void WriteContent(HttpResponse response, EntryCopy entry)
    {
        response.ContentType = entry.ContentType.IsEmpty ? DefaultContentType : Encoding.ASCII.GetString(entry.ContentType);
        response.ContentLength = entry.ValueLength;

        // A value is somebody's bytes: a browser shows it, and runs nothing of it in the console's origin.
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.ContentSecurityPolicy = "sandbox";
    }

    private static Problem? ReadTags(StringValues headers, out byte[] packed)
    {
        var tags = new List<(string, byte[])>();
        foreach (var header in headers)
        {
            foreach (var tag in header!.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            {
                if (!PercentText.TryDecode(tag, out var bytes))
                {
                    packed = [];
                    return Problems.BadTag(tag);
                }

                tags.Add((tag, bytes));
            }
        }

        return PackTags(tags, out packed);
    }

    private static string? MaxAge(StringValues headers)
    {
        foreach (var header in headers)
        {
            foreach (var directive in header!.Split(',', StringSplitOptions.TrimEntries))
            {
                if (directive.StartsWith("max-age=", StringComparison.OrdinalIgnoreCase))
                {
                    return directive["max-age=".Length..].Trim('"');
                }
            }
        }

        return null;
    }

    private static string TagsText(ReadOnlySpan<byte> packed)
    {
        var text = new StringBuilder();
        while (TagList.TryRead(ref packed, out var tag))
        {
            PercentText.Append(text.Length == 0 ? text : text.Append(','), tag);
        }

        return text.ToString();
    }
}
