using System.Diagnostics;
using System.Globalization;
using System.Text;
using Levee.Operations;
using Microsoft.AspNetCore.Http;

namespace Levee.Server.Http;

/// <summary>Whole caches: their statistics, scans of their keys, removal by tag, clearing, and requests over many keys.</summary>
internal sealed class CacheEndpoints(CacheCatalog catalog, TimeProvider time)
{
    private const int DefaultScanCount = 100;
    private const int MaxScanCount = 10_000;

    /// <summary>Nodes that one slice of a scan visits: what the engine takes at the most.</summary>
    private const int NodesPerSlice = 1024;

    /// <summary>Nodes that the first slice visits; further ones more, unless keys are long.</summary>
    private const int LeastNodesPerSlice = 16;

    /// <summary>A page ends when its keys have so many bytes.</summary>
    private const int MaxPageBytes = 256 * 1024;

    /// <summary>Slices after which a page ends whatever it has found, so that a rare prefix in a large cache takes many short requests and not one long one.</summary>
    private const int MaxSlices = 256;

    /// <summary>GET /caches.</summary>
    public async Task ListAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var caches = new List<CacheStatus>();
        foreach (var cache in catalog.Caches)
        {
            caches.Add(await StatusAsync(cache, cancellationToken).ConfigureAwait(false));
        }

        await JsonBody.WriteAsync(context, new CacheList(caches), LeveeJson.Answers.CacheList).ConfigureAwait(false);
    }

    /// <summary>GET /caches/{cache}.</summary>
    public async Task StatusAsync(HttpContext context, string cache)
    {
        if (!catalog.TryGet(cache, out var host))
        {
            await Problems.WriteAsync(context, Problems.UnknownCache(cache, catalog)).ConfigureAwait(false);
            return;
        }

        var status = await StatusAsync(host, context.RequestAborted).ConfigureAwait(false);
        await JsonBody.WriteAsync(context, status, LeveeJson.Answers.CacheStatus).ConfigureAwait(false);
    }

    /// <summary>GET /caches/{cache}/tiers.</summary>
    public async Task TiersAsync(HttpContext context, string cache)
    {
        if (Locate(cache, out var host) is { } problem)
        {
            await Problems.WriteAsync(context, problem).ConfigureAwait(false);
            return;
        }

        if (!(await host.TiersAsync(context.RequestAborted).ConfigureAwait(false)).TryTake(out var tiers, out var missing))
        {
            await Problems.WriteAsync(context, Problems.Unanswered(missing, "Nothing is said of the others.")).ConfigureAwait(false);
            return;
        }

        var list = new TierList([.. tiers.Select(tier => TierStatus.Of(tier.Statistics))]);
        await JsonBody.WriteAsync(context, list, LeveeJson.Answers.TierList).ConfigureAwait(false);
    }

    /// <summary>GET /caches/{cache}/explain?key=.</summary>
    public async Task ExplainAsync(HttpContext context, string cache)
    {
        byte[] key = [];
        var problem = Locate(cache, out var host) ?? RawQuery.ReadKey(context.Request, out key);
        if (problem is not null)
        {
            await Problems.WriteAsync(context, problem).ConfigureAwait(false);
            return;
        }

        using var answer = await host.ExplainAsync(key, context.RequestAborted).ConfigureAwait(false);
        if (answer.Explanation is not { } explanation)
        {
            await Problems.WriteAsync(context, Problems.OfRefusal(answer)).ConfigureAwait(false);
            return;
        }

        await JsonBody.WriteAsync(context, ExplanationStatus.Of(key, explanation), LeveeJson.Answers.ExplanationStatus).ConfigureAwait(false);
    }

    /// <summary>GET /caches/{cache}/keys.</summary>
    public async Task ScanAsync(HttpContext context, string cache)
    {
        var problem = Locate(cache, out var host);
        var count = DefaultScanCount;
        var (partition, position) = (0, 0L);
        problem ??= ReadCount(context.Request, out count) ?? ReadCursor(context.Request, host.PartitionCount + host.TierCount, out partition, out position);
        if (problem is not null)
        {
            await Problems.WriteAsync(context, problem).ConfigureAwait(false);
            return;
        }

        var prefix = Encoding.UTF8.GetBytes(context.Request.Query["prefix"].ToString());
        var keys = new List<byte[]>();
        var bytes = 0L;
        var nodes = LeastNodesPerSlice;
        var end = host.PartitionCount + host.TierCount;
        for (var slice = 0; slice < MaxSlices && keys.Count < count && bytes < MaxPageBytes && partition < end; slice++)
        {
            var found = keys.Count;
            var most = Math.Min(nodes, count - keys.Count);
            var survey = await host.ScanAsync(partition, position, most, prefix, keys, context.RequestAborted).ConfigureAwait(false);
            if (!survey.TryTake(out position, out var missing))
            {
                await Problems.WriteAsync(context, Problems.Unanswered(missing, "Ask for the same page again.")).ConfigureAwait(false);
                return;
            }

            partition += position == 0 ? 1 : 0;
            var sliceBytes = keys.Skip(found).Sum(static key => (long)key.Length);
            bytes += sliceBytes;
            nodes = Math.Clamp(sliceBytes > MaxPageBytes / 8 ? nodes / 2 : nodes * 2, LeastNodesPerSlice, NodesPerSlice);
        }

        var cursor = partition == host.PartitionCount + host.TierCount ? null : string.Create(CultureInfo.InvariantCulture, $"{partition}-{position}");
        await JsonBody.WriteAsync(context, KeyPage.Of(keys, cursor), LeveeJson.Answers.KeyPage).ConfigureAwait(false);
    }

    /// <summary>DELETE /caches/{cache}/keys?all=true.</summary>
    public async Task ClearAsync(HttpContext context, string cache)
    {
        var problem = Locate(cache, out var host) ?? (context.Request.Query["all"] == "true" ? null : Problems.NeedsAll());
        if (problem is not null)
        {
            await Problems.WriteAsync(context, problem).ConfigureAwait(false);
            return;
        }

        var survey = await host.EverywhereAsync(OperationKind.Clear, [], context.RequestAborted).ConfigureAwait(false);
        if (!survey.TryTake(out var removed, out var missing))
        {
            await Problems.WriteAsync(context, Problems.Unanswered(missing, "All else is cleared.")).ConfigureAwait(false);
            return;
        }

        await JsonBody.WriteAsync(context, new RemovedCount(removed), LeveeJson.Answers.RemovedCount).ConfigureAwait(false);
    }

    /// <summary>DELETE /caches/{cache}/tags/{tag}.</summary>
    public async Task RemoveByTagAsync(HttpContext context, string cache)
    {
        var problem = Locate(cache, out var host);
        byte[] tag = [];
        problem ??= RawPath.ReadTag(context, out tag);
        if (problem is not null)
        {
            await Problems.WriteAsync(context, problem).ConfigureAwait(false);
            return;
        }

        var survey = await host.EverywhereAsync(OperationKind.RemoveByTag, tag, context.RequestAborted).ConfigureAwait(false);
        if (!survey.TryTake(out _, out var missing))
        {
            var incomplete = Problems.Unanswered(missing, "Elsewhere all entries with the tag are invalidated.");
            await Problems.WriteAsync(context, incomplete).ConfigureAwait(false);
            return;
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    /// <summary>POST /caches/{cache}/get-many.</summary>
    public async Task GetManyAsync(HttpContext context, string cache)
    {
        var (host, request, keys) = await ReadKeysAsync(context, cache).ConfigureAwait(false);
        if (host is null)
        {
            return;
        }

        var answers = await host.ManyAsync(OperationKind.Get, keys, context.RequestAborted).ConfigureAwait(false);
        try
        {
            using var staged = new RequestStaging(context);
            var now = time.GetUtcNow().ToUnixTimeMilliseconds();
            await EntryListWriter.WriteAsync(context, request, keys, answers, staged, now).ConfigureAwait(false);
        }
        finally
        {
            Dispose(answers);
        }
    }

    /// <summary>POST /caches/{cache}/delete-many.</summary>
    public async Task DeleteManyAsync(HttpContext context, string cache)
    {
        var (host, _, keys) = await ReadKeysAsync(context, cache).ConfigureAwait(false);
        if (host is null)
        {
            return;
        }

        var answers = await host.ManyAsync(OperationKind.Delete, keys, context.RequestAborted).ConfigureAwait(false);
        Dispose(answers);
        var result = new DeleteResult(
            answers.Count(answer => answer.Outcome == Outcome.Removed),
            answers.Count(answer => answer.Outcome == Outcome.Miss),
            answers.Count(answer => answer.Outcome == Outcome.Unavailable));
        await JsonBody.WriteAsync(context, result, LeveeJson.Answers.DeleteResult).ConfigureAwait(false);
    }

    /// <summary>POST /caches/{cache}/set-many. All entries are checked before the first is written.</summary>
    public async Task SetManyAsync(HttpContext context, string cache)
    {
        var problem = Locate(cache, out var host);
        var entries = new List<(byte[] Key, byte[] Value, EntryMetadata Metadata)>();
        if (problem is null)
        {
            (var request, problem) = await JsonBody.ReadAsync(context, LeveeJson.Default.NewEntryList).ConfigureAwait(false);
            problem ??= ReadEntries(request!, host.LargeValues.MaxValueBytes, entries);
        }

        if (problem is not null)
        {
            await Problems.WriteAsync(context, problem).ConfigureAwait(false);
            return;
        }

        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var pending = entries.ConvertAll(entry => SetOneAsync(host, entry.Key, entry.Value, entry.Metadata, now, context.RequestAborted));
        var items = await Task.WhenAll(pending).ConfigureAwait(false);
        var result = new StoreResult(items.Count(item => item.Version is not null), items);
        await JsonBody.WriteAsync(context, result, LeveeJson.Answers.StoreResult).ConfigureAwait(false);
    }

    private static async Task<CacheStatus> StatusAsync(ICacheHost cache, CancellationToken cancellationToken)
    {
        var statistics = (await cache.StatisticsAsync(cancellationToken).ConfigureAwait(false)).TakePart(out var missing);
        return CacheStatus.Of(cache, statistics, missing);
    }

    private static async Task<StoreItem> SetOneAsync(ICacheHost host, byte[] key, byte[] value, EntryMetadata metadata, long now, CancellationToken cancellationToken)
    {
        var large = value.Length > Limits.MaxInlineBytes ? host.LargeValues.TryCreate(value) : null;
        if (large is null && value.Length > Limits.MaxInlineBytes)
        {
            return new StoreItem("out-of-memory", null, null);
        }

        try
        {
            using var answer = await host.SetAsync(key, large is null ? value : default, large, metadata, now, default, cancellationToken).ConfigureAwait(false);
            return answer.Outcome switch
            {
                Outcome.Stored => new StoreItem("stored", Preconditions.VersionText(answer.Entry!.Version), null),
                Outcome.TooLarge => new StoreItem("too-large", null, answer.Number),
                Outcome.Unavailable => new StoreItem("tier-unavailable", null, null),
                Outcome.OutOfMemory => new StoreItem("out-of-memory", null, null),
                var outcome => throw new UnreachableException($"a set without conditions, checked before, was answered {outcome}"),
            };
        }
        finally
        {
            large?.Release();
        }
    }

    private static Problem? ReadEntries(NewEntryList request, int maxValueBytes, List<(byte[] Key, byte[] Value, EntryMetadata Metadata)> entries)
    {
        if (request.Entries is null || request.Entries.Contains(null!))
        {
            return Problems.BadJson("'entries' is a list of objects.");
        }

        if (request.Entries.Count > KeyList.MaxKeys)
        {
            return Problems.TooMany("entries", KeyList.MaxKeys);
        }

        for (var i = 0; i < request.Entries.Count; i++)
        {
            if (request.Entries[i].Read(maxValueBytes, out var key, out var value, out var metadata) is { } problem)
            {
                return problem with { Detail = $"Entry {i}: {problem.Detail}" };
            }

            entries.Add((key, value, metadata));
        }

        return null;
    }

    private static Problem? ReadCount(HttpRequest request, out int count)
    {
        count = DefaultScanCount;
        return !request.Query.TryGetValue("count", out var text)
            || (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count is >= 1 and <= MaxScanCount)
            ? null
            : Problems.BadValue("count", text.ToString(), $"a whole number from 1 to {MaxScanCount}");
    }

    /// <summary>A cursor is a partition and a position in it.</summary>
    private static Problem? ReadCursor(HttpRequest request, int partitions, out int partition, out long position)
    {
        (partition, position) = (0, 0);
        var text = request.Query["cursor"].ToString();
        if (text.Length == 0)
        {
            return null;
        }

        var dash = text.IndexOf('-', StringComparison.Ordinal);
        return dash > 0
            && int.TryParse(text.AsSpan(0, dash), NumberStyles.None, CultureInfo.InvariantCulture, out partition) && partition < partitions
            && long.TryParse(text.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out position)
            ? null
            : Problems.BadValue("cursor", text, "a cursor that this cache's last page gave, or none to begin");
    }

    private static void Dispose(KeptAnswer[] answers)
    {
        foreach (var answer in answers)
        {
            answer.Dispose();
        }
    }

    /// <summary>Reads the keys of a request over many; where that fails, the problem has been sent and the host is null.</summary>
    private async Task<(ICacheHost? Host, KeyList Request, List<byte[]> Keys)> ReadKeysAsync(HttpContext context, string cache)
    {
        List<byte[]> keys = [];
        KeyList? request = null;
        var problem = Locate(cache, out var host);
        if (problem is null)
        {
            (request, problem) = await JsonBody.ReadAsync(context, LeveeJson.Default.KeyList).ConfigureAwait(false);
            problem ??= request!.Read(out keys);
        }

        if (problem is null)
        {
            return (host, request!, keys);
        }

        await Problems.WriteAsync(context, problem).ConfigureAwait(false);
        return (null, new KeyList(), keys);
    }

    private Problem? Locate(string name, out ICacheHost cache) => catalog.TryGet(name, out cache!) ? null : Problems.UnknownCache(name, catalog);
}
