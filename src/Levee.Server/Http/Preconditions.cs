using System.Globalization;
using Levee.Operations;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Levee.Server.Http;

/// <summary>A condition as the engine checks it in one step with the write.</summary>
internal readonly record struct StateCondition(Condition Condition, ulong Version = 0);

/// <summary>
/// <c>If-Match</c> and <c>If-None-Match</c> of a request (RFC 9110, section 13), over an entry's version. What the engine can check itself goes there; a list of tags, or "not this one",
/// is decided on the state that was seen and then written on condition that this is still the state (<see cref="Exactly"/>), again and again until neither has changed.
/// </summary>
internal sealed class Preconditions
{
    /// <summary>No condition.</summary>
    public static readonly Preconditions None = new(null, null);

    private readonly IList<EntityTagHeaderValue>? match;
    private readonly IList<EntityTagHeaderValue>? noneMatch;

    private Preconditions(IList<EntityTagHeaderValue>? match, IList<EntityTagHeaderValue>? noneMatch)
    {
        this.match = match;
        this.noneMatch = noneMatch;
    }

    /// <summary>Whether the request asks for an entry to be there.</summary>
    public bool NeedsEntry => match is not null;

    /// <summary>Whether the request has no condition.</summary>
    public bool IsEmpty => match is null && noneMatch is null;

    /// <summary>Whether the write can only succeed where no entry was.</summary>
    public bool NeedsAbsence => IsAny(noneMatch);

    /// <summary>An entry's version as its ETag.</summary>
    public static string TagOf(ulong version) => $"\"{VersionText(version)}\"";

    /// <summary>A version as text: 16 hexadecimal digits.</summary>
    public static string VersionText(ulong version) => version.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>Reads the conditions of a request.</summary>
    /// <returns>Null, or what is wrong with them.</returns>
    public static Problem? Read(HttpRequest request, out Preconditions preconditions)
    {
        preconditions = None;
        var headers = request.Headers;
        if (headers.IfMatch.Count == 0 && headers.IfNoneMatch.Count == 0)
        {
            return null;
        }

        if (!TryRead(headers.IfMatch, out var match))
        {
            return Problems.BadValue(HeaderNames.IfMatch, headers.IfMatch.ToString(), "'*' or quoted ETags, such as \"0193a5c2e1f40000\"");
        }

        if (!TryRead(headers.IfNoneMatch, out var noneMatch))
        {
            return Problems.BadValue(HeaderNames.IfNoneMatch, headers.IfNoneMatch.ToString(), "'*' or quoted ETags, such as \"0193a5c2e1f40000\"");
        }

        preconditions = new Preconditions(match, noneMatch);
        return null;
    }

    /// <summary>Whether the request may go on where the entry has this version, or none.</summary>
    public bool Allow(ulong? version) => AllowMatch(version) && !Matches(noneMatch, version, isStrong: false);

    /// <summary>Whether <c>If-Match</c> alone lets the request go on.</summary>
    public bool AllowMatch(ulong? version) => match is null || Matches(match, version, isStrong: true);

    /// <summary>The condition for the engine, where one says it all; else the entry's state must be looked at first.</summary>
    public bool TryExpress(out StateCondition condition)
    {
        condition = default;
        if (match is null)
        {
            condition = new StateCondition(noneMatch is null ? Condition.None : Condition.IfAbsent);
            return noneMatch is null || IsAny(noneMatch);
        }

        if (noneMatch is not null)
        {
            return false;
        }

        if (IsAny(match))
        {
            condition = new StateCondition(Condition.IfPresent);
            return true;
        }

        if (match.Count == 1 && !match[0].IsWeak && TryReadVersion(match[0].Tag, out var version))
        {
            condition = new StateCondition(Condition.IfVersion, version);
            return true;
        }

        return false;
    }

    /// <summary>The condition that the entry still has the version that was seen, or is still absent.</summary>
    public static StateCondition Exactly(ulong? version) => version is { } seen ? new(Condition.IfVersion, seen) : new(Condition.IfAbsent);

    private static bool TryRead(StringValues values, out IList<EntityTagHeaderValue>? tags)
    {
        tags = null;
        return values.Count == 0 || EntityTagHeaderValue.TryParseStrictList(values!, out tags);
    }

    private static bool IsAny(IList<EntityTagHeaderValue>? tags) => tags is [var only] && only.Equals(EntityTagHeaderValue.Any);

    private static bool Matches(IList<EntityTagHeaderValue>? tags, ulong? version, bool isStrong)
    {
        if (tags is null || version is not { } present)
        {
            return false;
        }

        if (IsAny(tags))
        {
            return true;
        }

        var own = new EntityTagHeaderValue(TagOf(present));
        return tags.Any(tag => own.Compare(tag, useStrongComparison: isStrong));
    }

    private static bool TryReadVersion(StringSegment tag, out ulong version)
    {
        version = 0;
        return tag.Length == 18 && ulong.TryParse(tag.AsSpan(1, 16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out version);
    }
}
