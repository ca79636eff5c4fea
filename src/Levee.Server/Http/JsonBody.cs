using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace Levee.Server.Http;

/// <summary>Bodies in JSON, both ways.</summary>
internal static class JsonBody
{
    /// <summary>The longest JSON body that is read, in bytes. Larger values go one by one with PUT, which streams them.</summary>
    public const int MaxRequestBytes = 8 * 1024 * 1024;

    /// <summary>Sends a response of a known length.</summary>
    public static async Task WriteAsync<T>(HttpContext context, T body, JsonTypeInfo<T> type, string contentType = "application/json")
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(body, type);
        context.Response.ContentType = contentType;
        context.Response.ContentLength = bytes.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            RequestTally.Of(context).SentBytes += bytes.Length;
            using var staging = new RequestStaging(context);
            staging.Send(bytes.Length, 0);
            await context.Response.Body.WriteAsync(bytes, context.RequestAborted).ConfigureAwait(false);
        }
    }

    /// <summary>Reads the request's body.</summary>
    public static async Task<(T? Body, Problem? Problem)> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type)
        where T : class
    {
        // A form, or a script of another origin's page, can send any other type without asking, or none.
        if (!context.Request.HasJsonContentType())
        {
            return (null, Problems.NotJson(context.Request.ContentType));
        }

        // A length known beforehand is refused here, politely: the server below would drop a client that is still sending.
        RequestSize.Limit(context, context.Request.ContentLength is null ? MaxRequestBytes : null);
        if (context.Request.ContentLength > MaxRequestBytes)
        {
            return (null, Problems.TooMany("bytes of JSON", MaxRequestBytes));
        }

        using var staging = new RequestStaging(context);
        try
        {
            await using var received = new ReceivedJson(context.Request.Body, staging);
            var body = await JsonSerializer.DeserializeAsync(received, type, context.RequestAborted).ConfigureAwait(false);
            RequestTally.Of(context).ReceivedBytes += context.Request.ContentLength ?? 0;
            return body is null ? (null, Problems.BadJson("The body is null.")) : (body, null);
        }
        catch (JsonException wrong)
        {
            return (null, Problems.BadJson($"At {wrong.Path ?? "$"}, line {wrong.LineNumber + 1}: {wrong.Message}"));
        }
        catch (OperationCanceledException) when (staging.GaveWay)
        {
            return (null, Problems.GaveWay());
        }
        catch (BadHttpRequestException tooLong) when (tooLong.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            return (null, Problems.TooMany("bytes of JSON", MaxRequestBytes));
        }
    }
}
