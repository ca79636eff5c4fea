namespace Levee.Server.Http;

/// <summary>What went wrong with a request, as RFC 9457 writes it (<c>application/problem+json</c>).</summary>
internal sealed record Problem
{
    /// <summary>The kind of problem, stable for programs: <c>urn:levee:problem:…</c>.</summary>
    public required string Type { get; init; }

    /// <summary>The kind of problem, for people.</summary>
    public required string Title { get; init; }

    /// <summary>The HTTP status.</summary>
    public required int Status { get; init; }

    /// <summary>What was wrong this time and what to do about it.</summary>
    public required string Detail { get; init; }

    /// <summary>The parameter, header or member that was wrong.</summary>
    public string? Parameter { get; init; }

    /// <summary>Its value.</summary>
    public string? Value { get; init; }

    /// <summary>What would have been right.</summary>
    public string? Allowed { get; init; }

    /// <summary>The limit that was exceeded, in bytes or items as the detail says.</summary>
    public long? Limit { get; init; }

    /// <summary>The caches that there are.</summary>
    public IReadOnlyList<string>? Caches { get; init; }

    /// <summary>The present ETag, where a precondition failed on it.</summary>
    public string? Etag { get; init; }

    /// <summary>What to look for in the server's log.</summary>
    public string? TraceId { get; init; }
}
