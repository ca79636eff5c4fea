using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Levee.Server.Http;

/// <summary>The server's own limit on a request's body, set to what the request may have.</summary>
internal static class RequestSize
{
    /// <param name="context">The request, of which nothing has been read.</param>
    /// <param name="bytes">What it may have at the most; null: whoever reads it decides.</param>
    public static void Limit(HttpContext context, long? bytes)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } feature)
        {
            feature.MaxRequestBodySize = bytes;
        }
    }
}
