using Levee.Operations;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace Levee.Server.Http;

/// <summary>
/// Keys and tags at the end of a path, byte for byte as the client encoded them. The path that routing sees will not do: it has lost the difference between
/// <c>%2F</c> and <c>%252F</c>, and dot segments, and cannot hold a byte that is not UTF-8.
/// </summary>
internal static class RawPath
{
    /// <summary>Reads the key that the route's last parameter stands for.</summary>
    /// <returns>Null, or what is wrong with it.</returns>
    public static Problem? ReadKey(HttpContext context, out byte[] key)
    {
        var problem = ReadLast(context, out key);
        return problem is null && key.Length is < 1 or > Limits.MaxKeyBytes ? Problems.BadKeyLength(key.Length) : problem;
    }

    /// <summary>Reads the tag that the route's last parameter stands for.</summary>
    /// <returns>Null, or what is wrong with it.</returns>
    public static Problem? ReadTag(HttpContext context, out byte[] tag)
    {
        var problem = ReadLast(context, out tag);
        return problem is null && tag.Length is < 1 or > Limits.MaxTagBytes ? Problems.BadTag(context.Request.Path.Value!) : problem;
    }

    private static Problem? ReadLast(HttpContext context, out byte[] bytes)
    {
        bytes = [];
        var path = PathOf(context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget);
        var pattern = ((RouteEndpoint)context.GetEndpoint()!).RoutePattern;
        var before = pattern.PathSegments.Count - 1 + (context.Request.PathBase.Value ?? "").Count('/');
        var start = 0;
        foreach (var segment in path[1..].Split('/'))
        {
            if (!PercentText.TryDecode(path[1..][segment], out var decoded))
            {
                return Problems.BadPath("A '%' in a path is followed by two hexadecimal digits; a percent sign itself is %25.");
            }

            if (decoded is [(byte)'.'] or [(byte)'.', (byte)'.'])
            {
                return Problems.BadPath("'.' and '..' cannot stand between the slashes of a path: HTTP takes them out. Use get-many, set-many and delete-many for such a key.");
            }

            if (before-- > 0)
            {
                start = segment.End.Value + 2;
            }
        }

        return start <= path.Length && PercentText.TryDecode(path[start..], out bytes) ? null : Problems.BadPath("The path ends where a key or a tag is expected.");
    }

    /// <summary>The path of a request's target: the target may be a whole URI (RFC 9112, section 3.2.2).</summary>
    private static ReadOnlySpan<char> PathOf(string target)
    {
        var path = target.AsSpan();
        if (path.Length == 0 || path[0] != '/')
        {
            var authority = path.IndexOf("://");
            path = authority < 0 ? path : path[(authority + 3)..];
            var slash = path.IndexOf('/');
            path = slash < 0 ? "/" : path[slash..];
        }

        var end = path.IndexOfAny('?', '#');
        return end < 0 ? path : path[..end];
    }
}
