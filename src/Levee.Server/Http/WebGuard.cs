using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Levee.Server.Http;

/// <summary>
/// Keeps web pages of other origins away: a browser on this machine, or in this network, reaches the server as well as its user does, and sends what a page tells it to.
/// <list type="bullet">
/// <item>A page whose own name was made to point here (DNS rebinding) is of the server's origin to the browser. But its requests name it in Host, and no page can call itself localhost or an address: so those, and names that
/// were configured, are all that is served.</item>
/// <item>A page of another origin may send GET, HEAD and POST without asking (simple requests), and cannot read the answers. No GET or HEAD changes an entry. Whatever may change something is refused where the browser says that
/// it comes from elsewhere: by Origin or Sec-Fetch-Site, which pages cannot set.</item>
/// <item>What a form can send is never JSON, and all that takes POST demands JSON (<see cref="JsonBody"/>). PUT, PATCH and DELETE make a browser ask first, and the server never agrees; so PUT takes any content type.</item>
/// </list>
/// </summary>
/// <param name="bound">The address that HTTP listens on.</param>
/// <param name="names">Further names by which the server may be called; "*": any.</param>
internal sealed class WebGuard(IPAddress bound, IReadOnlyList<string> names)
{
    private readonly bool servesAll = names.Contains("*");

    /// <summary>Lets a request pass, or answers what is wrong with it.</summary>
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        // No page of another origin gets to show or run what lies here, as an image or a script.
        context.Response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
        var request = context.Request;
        if (!Serves(request.Host))
        {
            return Problems.WriteAsync(context, Problems.UnknownHost(request.Host.Value ?? ""));
        }

        return MayChange(request.Method) && IsForeign(request.Headers, request.Host) ? Problems.WriteAsync(context, Problems.ForeignOrigin(request.Headers.Origin.ToString())) : next(context);
    }

    /// <summary>Whether the server may be called so. No browser sends a request without a host.</summary>
    internal bool Serves(HostString host)
    {
        if (servesAll || !host.HasValue)
        {
            return true;
        }

        var name = host.Host;
        if (IPAddress.TryParse(name, out var address))
        {
            return !IPAddress.IsLoopback(bound) || IPAddress.IsLoopback(address);
        }

        return string.Equals(name, "localhost", StringComparison.OrdinalIgnoreCase) || names.Contains(name, StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>Whether a browser sends this for a page that the server did not send it. Other programs send neither header.</summary>
    internal static bool IsForeign(IHeaderDictionary headers, HostString host)
    {
        if (headers.TryGetValue("Sec-Fetch-Site", out var site) && site is not ["same-origin"] and not ["none"])
        {
            return true;
        }

        // The scheme is not compared: a proxy in front may speak TLS where this server does not.
        var origin = headers.Origin;
        return !StringValues.IsNullOrEmpty(origin)
            && !(origin.Count == 1 && Uri.TryCreate(origin[0], UriKind.Absolute, out var sender) && string.Equals(sender.Authority, host.Value, StringComparison.OrdinalIgnoreCase));
    }

    private static bool MayChange(string method) => !HttpMethods.IsGet(method) && !HttpMethods.IsHead(method) && !HttpMethods.IsOptions(method);
}
