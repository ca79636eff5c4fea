using Levee.Operations;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Levee.Server.Http;

/// <summary>A key in a query, byte for byte as the client encoded it: what ASP.NET decodes cannot hold a byte that is not UTF-8.</summary>
internal static class RawQuery
{
    /// <summary>Reads the parameter <c>key</c>. A plus sign is a space, as in every query.</summary>
    /// <returns>Null, or what is wrong with it.</returns>
    public static Problem? ReadKey(HttpRequest request, out byte[] key)
    {
        key = [];
        foreach (var parameter in new QueryStringEnumerable(request.QueryString.Value))
        {
            if (!parameter.EncodedName.Span.Equals("key", StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            if (!PercentText.TryDecode(parameter.EncodedValue.ToString().Replace('+', ' '), out key))
            {
                return Problems.BadValue("key", parameter.EncodedValue.ToString(), "a percent-encoded key; a percent sign itself is %25");
            }

            return key.Length is >= 1 and <= Limits.MaxKeyBytes ? null : Problems.BadKeyLength(key.Length);
        }

        return Problems.BadKeyLength(0);
    }
}
