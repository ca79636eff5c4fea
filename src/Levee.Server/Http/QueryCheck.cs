using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Levee.Server.Http;

/// <summary>A query parameter that a route takes. Metadata of its endpoint.</summary>
internal sealed record RouteQuery(string Name);

/// <summary>Refuses query parameters that a route does not take: a mistyped "ttl" would store an entry for ever. Metrics, health and the OpenAPI document take none and answer the same with any: probes add what they like.</summary>
internal static class QueryCheck
{
    /// <summary>Lets a request pass, or answers 400.</summary>
    public static Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Request.QueryString.HasValue && context.GetEndpoint()?.Metadata is { } metadata && metadata.GetMetadata<RouteOperation>() is { TakesAnyQuery: false })
        {
            var allowed = metadata.GetOrderedMetadata<RouteQuery>();
            foreach (var given in new QueryStringEnumerable(context.Request.QueryString.Value))
            {
                var name = given.DecodeName().ToString();
                if (!allowed.Any(query => string.Equals(query.Name, name, StringComparison.OrdinalIgnoreCase)))
                {
                    return Problems.WriteAsync(context, Problems.UnknownParameter(name, allowed));
                }
            }
        }

        return next(context);
    }
}
