using System.Text;
using System.Text.Json;
using Levee.Memory;
using Levee.Operations;
using Microsoft.AspNetCore.Http;

namespace Levee.Server.Http;

/// <summary>Writes the answer to get-many as <see cref="EntryList"/> describes it, large values in pieces as the client takes them.</summary>
internal static class EntryListWriter
{
    private const int FlushBytes = 32 * 1024;

    /// <summary>A piece of a large value at a time; a multiple of 3, so that base64 needs no padding between pieces.</summary>
    private const int PieceBytes = 48 * 1024;

    /// <param name="context">The request.</param>
    /// <param name="request">The keys as they were asked for.</param>
    /// <param name="keys">The keys as bytes.</param>
    /// <param name="answers">Their answers, each disposed when it has been written.</param>
    /// <param name="staging">Where it is said what the answers still hold.</param>
    /// <param name="now">The time, in Unix milliseconds.</param>
    public static async Task WriteAsync(
        HttpContext context, KeyList request, List<byte[]> keys, KeptAnswer[] answers, RequestStaging staging, long now)
    {
        var held = answers.Sum(static answer => (long)(answer.Entry?.Value.Length ?? 0));
        staging.Send(held, 0);
        context.Response.ContentType = "application/json";
        var body = context.Response.BodyWriter;
        using var json = new Utf8JsonWriter(body, new JsonWriterOptions { Encoder = LeveeJson.Encoder });
        json.WriteStartObject();
        json.WriteStartArray("entries"u8);
        for (var i = 0; i < answers.Length; i++)
        {
            json.WriteStartObject();
            if (i < request.Keys.Count)
            {
                json.WriteString("key"u8, keys[i]);
            }
            else
            {
                json.WriteBase64String("binaryKey"u8, keys[i]);
            }

            await WriteEntryAsync(context, json, answers[i], staging, now).ConfigureAwait(false);
            json.WriteEndObject();
            held -= answers[i].Entry?.Value.Length ?? 0;
            answers[i].Dispose();
            answers[i] = default;
            if (json.BytesPending > FlushBytes)
            {
                json.Flush();
                await body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
                staging.Send(held, FlushBytes);
            }
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        RequestTally.Of(context).SentBytes += json.BytesCommitted;
        await body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
    }

    private static async Task WriteEntryAsync(HttpContext context, Utf8JsonWriter json, KeptAnswer answer, RequestStaging staging, long now)
    {
        if (answer.Outcome != Outcome.Hit || answer.Entry is not { } entry)
        {
            json.WriteString("outcome"u8, answer.Outcome == Outcome.Miss ? "miss"u8 : "unavailable"u8);
            return;
        }

        json.WriteString("outcome"u8, entry.Kind == EntryKind.Bytes ? "hit"u8 : "hash"u8);
        WriteMetadata(json, entry, now);
        if (entry.Kind != EntryKind.Bytes)
        {
            return;
        }

        if (entry.Large is null)
        {
            json.WriteBase64String("value"u8, entry.Value.Span);
            return;
        }

        json.WritePropertyName("value"u8);
        var piece = new byte[PieceBytes];
        staging.SendFrom(entry.Large);
        for (var offset = 0; offset < entry.ValueLength; offset += PieceBytes)
        {
            var count = CopyPiece(entry.Large, offset, piece);
            json.WriteBase64StringSegment(piece.AsSpan(0, count), isFinalSegment: offset + count == entry.ValueLength);
            json.Flush();
            await context.Response.BodyWriter.FlushAsync(context.RequestAborted).ConfigureAwait(false);
            staging.Moved();
        }

        staging.SendFrom(null);
    }

    private static int CopyPiece(LargeValue large, int offset, byte[] piece)
    {
        var count = Math.Min(piece.Length, large.Length - offset);
        large.CopyTo(offset, piece.AsSpan(0, count));
        return count;
    }

    private static void WriteMetadata(Utf8JsonWriter json, EntryCopy entry, long now)
    {
        json.WriteString("contentType"u8, entry.ContentType.IsEmpty ? Encoding.ASCII.GetBytes(EntryHeaders.DefaultContentType) : entry.ContentType);
        json.WriteString("version"u8, Preconditions.VersionText(entry.Version));
        if (entry.ExpiresAt != Limits.Never)
        {
            json.WriteNumber("ttlMs"u8, Math.Max(0, entry.ExpiresAt - now));
        }

        if (entry.Flags != 0)
        {
            json.WriteNumber("flags"u8, entry.Flags);
        }

        var packed = entry.Tags;
        if (packed.IsEmpty)
        {
            return;
        }

        json.WriteStartArray("tags"u8);
        while (TagList.TryRead(ref packed, out var tag))
        {
            var text = new StringBuilder();
            PercentText.Append(text, tag);
            json.WriteStringValue(text.ToString());
        }

        json.WriteEndArray();
    }
}
