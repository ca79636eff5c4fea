using System.Net;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace Levee.Server.Http;

/// <summary>HTTP Basic authentication (RFC 7617) against the server's one password. Health stays open: probes carry no secrets.</summary>
internal static class BasicAuthentication
{
    private const string OpenPath = "/health";

    /// <summary>Marks a connection that has shown the right password and no wrong one since: its requests do not wait for what others of its address guess.</summary>
    private static readonly object HasComeIn = new();

    /// <summary>Lets a request pass, or answers 401, or 429 where too many guess.</summary>
    public static Task InvokeAsync(HttpContext context, RequestDelegate next, PasswordDoor door)
    {
        if (context.Request.Path.StartsWithSegments(OpenPath, StringComparison.Ordinal))
        {
            return next(context);
        }

        if (!TryRead(context.Request, out var given, out var colon))
        {
            return Challenge(context);
        }

        var address = context.Connection.RemoteIpAddress ?? IPAddress.None;
        var connection = context.Features.Get<IConnectionItemsFeature>()?.Items;
        var turn = connection?.ContainsKey(HasComeIn) == true ? default : door.Begin(address);
        if (turn.IsRefused)
        {
            return Problems.WriteAsync(context, Problems.TooManyGuesses(turn.Delay));
        }

        return turn.Delay == TimeSpan.Zero ? Finish() : FinishLater();

        Task Finish()
        {
            if (!door.Finish(address, turn, given.AsSpan(0, colon), given.AsSpan(colon + 1)))
            {
                connection?.Remove(HasComeIn);
                return Challenge(context);
            }

            connection?[HasComeIn] = HasComeIn;
            return next(context);
        }

        async Task FinishLater()
        {
            await door.WaitAsync(turn).ConfigureAwait(false);
            await Finish().ConfigureAwait(false);
        }
    }

    private static Task Challenge(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status401Unauthorized;
        context.Response.Headers.WWWAuthenticate = "Basic realm=\"levee\", charset=\"UTF-8\"";
        return Task.CompletedTask;
    }

    /// <summary>Reads user and password, with a colon between.</summary>
    private static bool TryRead(HttpRequest request, out byte[] given, out int colon)
    {
        (given, colon) = ([], -1);
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

        given = decoded[..length];
        colon = given.AsSpan().IndexOf((byte)':');
        return colon >= 0;
    }
}
