using System.Diagnostics;
using Levee.Server.Metrics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Levee.Server.Http;

/// <summary>What a route counts as. Metadata of its endpoint.</summary>
internal sealed record RouteOperation(RequestOperation Operation)
{
    /// <summary>Whether query parameters mean nothing to it.</summary>
    public bool TakesAnyQuery => Operation == RequestOperation.Other;
}

/// <summary>
/// Stands around every request: times and counts it, and sees to it that whatever goes wrong leaves as problem details, be it an error of the handler, of the server below, or a
/// status that routing has set without words.
/// </summary>
internal sealed partial class HttpFrontDoor(HttpMetrics metrics, ILogger<HttpFrontDoor> logger)
{
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var began = Stopwatch.GetTimestamp();
        var tally = RequestTally.Of(context);
        var isAbandoned = false;
        try
        {
            await next(context).ConfigureAwait(false);
            if (context.Response is { StatusCode: >= 400, HasStarted: false, ContentLength: null, ContentType: null })
            {
                await Problems.WriteAsync(context, Problems.OfStatus(context)).ConfigureAwait(false);
            }
        }
        catch (Exception error) when (context.RequestAborted.IsCancellationRequested && error is OperationCanceledException or IOException)
        {
            isAbandoned = true;
        }
        catch (BadHttpRequestException error)
        {
            await RefuseAsync(context, Problems.BadRequest(error.Message, error.StatusCode)).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            LogFailure(error, context.Request.Method, context.Response.StatusCode);
            await RefuseAsync(context, Problems.Failed(context)).ConfigureAwait(false);
        }

        Count(context, tally, isAbandoned, Stopwatch.GetElapsedTime(began));
    }

    /// <summary>How a request ended, from what its status says of its operation.</summary>
    internal static RequestOutcome OutcomeOf(RequestOperation operation, int status) => status switch
    {
        404 when operation is RequestOperation.Get or RequestOperation.Peek or RequestOperation.Delete or RequestOperation.Expire => RequestOutcome.Miss,
        409 => RequestOutcome.WrongKind,
        412 => RequestOutcome.ConditionFailed,
        413 => RequestOutcome.TooLarge,
        503 => RequestOutcome.Unavailable,
        >= 500 => RequestOutcome.Failed,
        >= 400 => RequestOutcome.BadRequest,
        _ => operation switch
        {
            RequestOperation.Get or RequestOperation.Peek => RequestOutcome.Hit,
            RequestOperation.Set or RequestOperation.Expire => RequestOutcome.Stored,
            RequestOperation.Delete => RequestOutcome.Removed,
            _ => RequestOutcome.Ok,
        },
    };

    private static async Task RefuseAsync(HttpContext context, Problem problem)
    {
        if (context.Response.HasStarted)
        {
            // Half an answer is out: the client must see that it is not the whole one.
            context.Abort();
            return;
        }

        context.Response.Clear();
        await Problems.WriteAsync(context, problem).ConfigureAwait(false);
    }

    private void Count(HttpContext context, RequestTally tally, bool isAbandoned, TimeSpan duration)
    {
        var operation = context.GetEndpoint()?.Metadata.GetMetadata<RouteOperation>()?.Operation ?? RequestOperation.Other;
        if (operation == RequestOperation.Get && HttpMethods.IsHead(context.Request.Method))
        {
            operation = RequestOperation.Peek;
        }

        var outcome = isAbandoned ? RequestOutcome.Abandoned : OutcomeOf(operation, context.Response.StatusCode);
        metrics.Count(operation, outcome, duration, tally.ReceivedBytes, tally.SentBytes);
    }

    [LoggerMessage(EventId = 300, EventName = "HttpRequestFailed", Level = LogLevel.Error, Message = "A {Method} request failed after status {Status}.")]
    private partial void LogFailure(Exception error, string method, int status);
}
