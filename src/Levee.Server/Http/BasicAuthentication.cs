using System.Net.Http.Headers;
using Microsoft.AspNetCore.Http;

namespace Levee.Server.Http;

/// <summary>HTTP Basic authentication (RFC 7617) against the server's one password. Health stays open: probes carry no secrets.</summary>
internal static class BasicAuthentication
{
    private const string OpenPath = "/health";

    /// <summary>Lets a request pass, or answers 401.</summary>
    public static Task InvokeAsync(HttpContext context, RequestDelegate next, Credentials credentials)
    {
        if (context.Request.Path.StartsWithSegments(OpenPath, StringComparison.Ordinal) || IsAccepted(context.Request, credentials))
        {
            return next(context);
        }

        context.Response.StatusCode = StatusCodes.Status401Unauthorized;
        context.Response.Headers.WWWAuthenticate = "Basic realm=\"levee\", charset=\"UTF-8\"";
        return Task.CompletedTask;
    }

    private static bool IsAccepted(HttpRequest request, Credentials credentials)
    {
        if (!AuthenticationHeaderValue.TryParse(request.Headers.Authorization, out var header)
            || !string.Equals(header.Scheme, "Basic", StringComparison.OrdinalIgnoreCase)
            || header.Parameter is not { } parameter)
        {
            return false;
        }

        var decoded = new byte[parameter.Length];
        if (!Convert.TryFromBase64String(parameter, decoded, out var length))
        {
            return false;
        }

        var colon = decoded.AsSpan(0, length).IndexOf((byte)':');
        return colon >= 0 && credentials.Accept(decoded.AsSpan(0, colon), decoded.AsSpan(colon + 1, length - colon - 1));
    }
}
