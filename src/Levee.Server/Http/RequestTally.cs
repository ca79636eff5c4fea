using Microsoft.AspNetCore.Http;

namespace Levee.Server.Http;

/// <summary>What a request has moved; attached to it by the front door and counted at its end.</summary>
internal sealed class RequestTally
{
    /// <summary>Bytes of the request's body.</summary>
    public long ReceivedBytes { get; set; }

    /// <summary>Bytes of the response's body.</summary>
    public long SentBytes { get; set; }

    /// <summary>The request's tally; a loose one where nobody counts.</summary>
    public static RequestTally Of(HttpContext context)
    {
        if (context.Features.Get<RequestTally>() is { } tally)
        {
            return tally;
        }

        tally = new RequestTally();
        context.Features.Set(tally);
        return tally;
    }
}
