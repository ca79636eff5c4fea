using System.Diagnostics;
using Levee.Operations;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Levee.Server.Http;

/// <summary>Every problem that the HTTP front door knows.</summary>
internal static class Problems
{
    private const int MaxShownCharacters = 100;

    public static Problem UnknownCache(string name, CacheCatalog catalog) => Of("unknown-cache", StatusCodes.Status404NotFound, "No such cache",
        $"There is no cache named '{Shown(name)}'. The caches of this server are: {string.Join(", ", catalog.Caches.Select(cache => cache.Name))}.") with
    {
        Caches = [.. catalog.Caches.Select(cache => cache.Name)],
    };

    public static Problem NoEntry() => Of("no-entry", StatusCodes.Status404NotFound, "No such entry", "The key has no entry in this cache, or has none any more.");

    public static Problem BadValue(string parameter, string value, string allowed) => Of("bad-value", StatusCodes.Status400BadRequest, "A value is wrong",
        $"{parameter} is '{Shown(value)}'; allowed: {allowed}.") with
    {
        Parameter = parameter,
        Value = Shown(value),
        Allowed = allowed,
    };

    public static Problem BadPath(string detail) => Of("bad-path", StatusCodes.Status400BadRequest, "The path is wrong", detail);

    public static Problem BadKeyLength(int length) => Of("bad-key", StatusCodes.Status400BadRequest, "The key is too short or too long",
        $"The key has {length} bytes; allowed: 1 to {Limits.MaxKeyBytes}.") with
    {
        Parameter = "key",
        Limit = Limits.MaxKeyBytes,
    };

    public static Problem BadTag(string tag) => Of("bad-tag", StatusCodes.Status400BadRequest, "A tag is wrong",
        $"A tag is '{Shown(tag)}'; allowed: 1 to {Limits.MaxTagBytes} bytes a tag, percent-encoded in headers and paths, and {Limits.MaxPackedTagsBytes} bytes for all tags of an entry.") with
    {
        Parameter = EntryHeaders.Tags,
        Limit = Limits.MaxTagBytes,
    };

    public static Problem TooLarge(long limit) => Of("too-large", StatusCodes.Status413PayloadTooLarge, "The value is too large",
        $"A value of this cache has at most {limit} bytes, key and metadata included where they lie beside it.") with
    {
        Limit = limit,
    };

    public static Problem TooMany(string what, long limit) => Of("too-many", StatusCodes.Status413PayloadTooLarge, "The request asks for too much",
        $"One request has at most {limit} {what}; split it.") with
    {
        Limit = limit,
    };

    public static Problem OutOfMemory() => Of("out-of-memory", StatusCodes.Status503ServiceUnavailable, "No memory now",
        "No memory could be freed for this value in time; nothing was changed. Try again.");

    public static Problem GaveWay() => Of("out-of-memory", StatusCodes.Status503ServiceUnavailable, "No memory now",
        $"The request was given up: {StagingArea.GaveWay}; nothing was changed. Try again.");

    public static Problem Unavailable() => Of("tier-unavailable", StatusCodes.Status503ServiceUnavailable, "A lower tier did not answer",
        "A lower tier had to be asked and did not answer; nothing was changed. Try again.");

    /// <summary>For a request that goes to all partitions or tiers.</summary>
    /// <param name="missing">Who did not answer.</param>
    /// <param name="rest">What became of the others' part.</param>
    public static Problem Unanswered(Unanswered missing, string rest) =>
        Of("partition-unavailable", StatusCodes.Status503ServiceUnavailable, "Not every partition answered",
            $"Not done: {missing}. {rest} Try again.");

    public static Problem NoPrefetcher(string cache) => Of("no-prefetcher", StatusCodes.Status404NotFound, "No prefetcher",
        $"The cache '{Shown(cache)}' has no prefetcher: the server runs with --prefetch off, or the cache has no lower tier to bring entries up from.");

    public static Problem PrefetcherUnavailable() => Of("prefetcher-unavailable", StatusCodes.Status503ServiceUnavailable, "The prefetcher did not answer",
        "The cache's prefetcher runs elsewhere in the cluster and did not answer in time. Try again.");

    public static Problem NotReady(string reasons) => Of("not-ready", StatusCodes.Status503ServiceUnavailable, "The server is not ready", reasons);

    public static Problem WrongKind() => Of("wrong-kind", StatusCodes.Status409Conflict, "The entry is a hash",
        "The entry was written over RESP as a hash and has no single value. Read it with HGETALL there, or overwrite or delete it here.");

    public static Problem PreconditionFailed(ulong? version) => Of("precondition-failed", StatusCodes.Status412PreconditionFailed, "The precondition failed",
        version is { } present ? $"The entry's ETag is {Preconditions.TagOf(present)}; nothing was changed." : "The key has no entry; nothing was changed.") with
    {
        Etag = version is { } etag ? Preconditions.TagOf(etag) : null,
    };

    public static Problem NeedsAll() => Of("needs-all", StatusCodes.Status400BadRequest, "Clearing needs a confirmation",
        "DELETE on the keys of a cache removes every entry; say that you mean it with '?all=true'. To delete one entry name its key: /caches/{cache}/keys/{key}.") with
    {
        Parameter = "all",
        Allowed = "true",
    };

    public static Problem UnknownHost(string host) => Of("unknown-host", StatusCodes.Status421MisdirectedRequest, "The server is not called so",
        $"The request is for '{Shown(host)}'; allowed: localhost, the server's addresses, and the names of --http-hosts (LEVEE__HTTP_HOSTS).") with
    {
        Parameter = "Host",
        Value = Shown(host),
        Allowed = "localhost, the server's addresses, and the names of --http-hosts",
    };

    public static Problem ForeignOrigin(string origin) => Of("foreign-origin", StatusCodes.Status403Forbidden, "A page of another origin may not do that",
        $"A browser sent this for a page of another origin{(origin.Length == 0 ? "" : $", '{Shown(origin)}'")}; nothing was changed. Programs send no Origin and no Sec-Fetch-Site.") with
    {
        Parameter = "Origin",
        Value = Shown(origin),
    };

    public static Problem UnknownParameter(string name, IReadOnlyList<RouteQuery> allowed)
    {
        var names = allowed.Count == 0 ? "none" : string.Join(", ", allowed.Select(query => query.Name));
        return Of("unknown-parameter", StatusCodes.Status400BadRequest, "No such query parameter", $"'{Shown(name)}' is no query parameter of this request; allowed: {names}.") with
        {
            Parameter = Shown(name),
            Allowed = names,
        };
    }

    public static Problem TooManyGuesses(TimeSpan delay) => Of("too-many-guesses", StatusCodes.Status429TooManyRequests, "Too many wrong passwords",
        $"Wrong passwords came from your address, and as many attempts as may wait are waiting; this one was not looked at. Try again in {Math.Ceiling(delay.TotalSeconds)} s.");

    public static Problem NotJson(string? contentType) => Of("bad-media-type", StatusCodes.Status415UnsupportedMediaType, "The body must be JSON",
        $"Content-Type is '{Shown(contentType ?? "")}'; allowed: application/json.") with
    {
        Parameter = "Content-Type",
        Value = Shown(contentType ?? ""),
        Allowed = "application/json",
    };

    public static Problem BadJson(string detail) => Of("bad-json", StatusCodes.Status400BadRequest, "The body is not what this request needs", detail);

    public static Problem BadRequest(string detail, int status) => Of("bad-request", status, ReasonPhrases.GetReasonPhrase(status), detail);

    /// <summary>For a status that was set without words.</summary>
    public static Problem OfStatus(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status401Unauthorized => Of("unauthorized", StatusCodes.Status401Unauthorized, "A password is needed",
            "This server has a password: give user and password by HTTP Basic authentication."),
        StatusCodes.Status404NotFound => Of("no-route", StatusCodes.Status404NotFound, "No such resource",
            $"There is nothing at '{Shown(context.Request.Path.Value ?? "")}'. What there is stands in /openapi/v1.json."),
        StatusCodes.Status405MethodNotAllowed => Of("bad-method", StatusCodes.Status405MethodNotAllowed, "Not with this method",
            $"'{Shown(context.Request.Path.Value ?? "")}' does not take {context.Request.Method}; allowed: {context.Response.Headers.Allow}.") with
        {
            Parameter = "method",
            Value = context.Request.Method,
            Allowed = context.Response.Headers.Allow.ToString(),
        },
        StatusCodes.Status415UnsupportedMediaType => NotJson(context.Request.ContentType),
        var status => Of("bad-request", status, ReasonPhrases.GetReasonPhrase(status), "The request could not be answered."),
    };

    public static Problem Failed(HttpContext context) => Of("internal", StatusCodes.Status500InternalServerError, "The server failed",
        "The request met an error that is ours; the server's log has it under the trace id.") with
    {
        TraceId = Activity.Current?.Id ?? context.TraceIdentifier,
    };

    /// <summary>The problem behind an outcome that refuses a write.</summary>
    public static Problem OfRefusal(in KeptAnswer answer) => answer.Outcome switch
    {
        Outcome.TooLarge => TooLarge(answer.Number),
        Outcome.OutOfMemory => OutOfMemory(),
        Outcome.WrongKind => WrongKind(),
        Outcome.Unavailable => Unavailable(),
        Outcome.ConditionFailed => PreconditionFailed(answer.Entry?.Version),
        Outcome.BadKey => BadRequest("Key, tags or content type are longer than the engine takes.", StatusCodes.Status400BadRequest),
        Outcome.Miss => NoEntry(),
        _ => throw new UnreachableException($"{answer.Outcome} does not refuse anything"),
    };

    /// <summary>Sends the problem as the response. A response to HEAD has its status and headers only.</summary>
    public static Task WriteAsync(HttpContext context, Problem problem)
    {
        context.Response.StatusCode = problem.Status;
        if (problem.Status is StatusCodes.Status503ServiceUnavailable or StatusCodes.Status429TooManyRequests)
        {
            context.Response.Headers.RetryAfter = "1";
        }

        context.Response.Headers.CacheControl = "no-store";
        return JsonBody.WriteAsync(context, problem, LeveeJson.Answers.Problem, "application/problem+json");
    }

    private static Problem Of(string type, int status, string title, string detail) => new() { Type = $"urn:levee:problem:{type}", Title = title, Status = status, Detail = detail };

    private static string Shown(string value) => value.Length <= MaxShownCharacters ? value : value[..MaxShownCharacters] + "…";
}
