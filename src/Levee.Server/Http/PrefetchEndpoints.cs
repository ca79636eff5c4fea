using System.Globalization;
using Levee.Keys;
using Levee.Operations;
using Microsoft.AspNetCore.Http;

namespace Levee.Server.Http;

/// <summary>A cache's prefetcher: hints, what it has learnt, and the switch of its learning.</summary>
internal sealed class PrefetchEndpoints(CacheCatalog catalog)
{
    private const int DefaultQueued = 10;

    /// <summary>POST /caches/{cache}/prefetch.</summary>
    public async Task HintAsync(HttpContext context, string cache)
    {
        List<byte[]> keys = [];
        var priority = 0;
        var (request, problem) = await JsonBody.ReadAsync(context, LeveeJson.Default.HintList).ConfigureAwait(false);
        problem ??= request!.Read(out keys, out priority);
        IPrefetchControl prefetching = null!;
        problem ??= Locate(cache, out prefetching);

        if (problem is not null)
        {
            await Problems.WriteAsync(context, problem).ConfigureAwait(false);
            return;
        }

        var taken = keys.Count(key => prefetching.TryHint(key, KeyHash.Of(key), priority));
        context.Response.StatusCode = StatusCodes.Status202Accepted;
        await JsonBody.WriteAsync(context, new HintResult(taken, keys.Count - taken), LeveeJson.Answers.HintResult).ConfigureAwait(false);
    }

    /// <summary>GET /caches/{cache}/prefetch.</summary>
    public async Task StatusAsync(HttpContext context, string cache)
    {
        var count = DefaultQueued;
        var problem = Locate(cache, out var prefetching) ?? ReadCount(context.Request, out count);
        await AnswerAsync(context, prefetching, count, problem).ConfigureAwait(false);
    }

    /// <summary>PATCH /caches/{cache}/prefetch.</summary>
    public async Task SwitchAsync(HttpContext context, string cache)
    {
        var problem = Locate(cache, out var prefetching);
        if (problem is null)
        {
            (var request, problem) = await JsonBody.ReadAsync(context, LeveeJson.Default.PrefetchChange).ConfigureAwait(false);
            if (request?.Learning is { } isLearning)
            {
                prefetching.IsLearning = isLearning;
            }
            else
            {
                problem ??= Problems.BadJson("'learning' is true or false.");
            }
        }

        await AnswerAsync(context, prefetching, DefaultQueued, problem).ConfigureAwait(false);
    }

    private static async Task AnswerAsync(HttpContext context, IPrefetchControl prefetching, int maxQueued, Problem? problem)
    {
        PrefetchReport? report = null;
        try
        {
            report = problem is null ? await prefetching.ReportAsync(maxQueued, context.RequestAborted).ConfigureAwait(false) : null;
        }
        catch (TimeoutException)
        {
            problem = Problems.PrefetcherUnavailable();
        }

        if (problem is not null)
        {
            await Problems.WriteAsync(context, problem).ConfigureAwait(false);
            return;
        }

        await JsonBody.WriteAsync(context, PrefetchStatus.Of(report!), LeveeJson.Answers.PrefetchStatus).ConfigureAwait(false);
    }

    private static Problem? ReadCount(HttpRequest request, out int count)
    {
        count = DefaultQueued;
        return !request.Query.TryGetValue("queue", out var text) || (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count <= IPrefetchControl.MaxQueued)
            ? null
            : Problems.BadValue("queue", text.ToString(), $"a whole number from 0 to {IPrefetchControl.MaxQueued}");
    }

    private Problem? Locate(string name, out IPrefetchControl prefetching)
    {
        prefetching = null!;
        if (!catalog.TryGet(name, out var cache))
        {
            return Problems.UnknownCache(name, catalog);
        }

        prefetching = cache.Prefetching!;
        return prefetching is null ? Problems.NoPrefetcher(name) : null;
    }
}
