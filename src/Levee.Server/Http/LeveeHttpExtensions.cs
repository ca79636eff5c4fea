using Levee.Server;
using Levee.Server.Http;
using Levee.Server.Metrics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Puts the HTTP front door into an ASP.NET application: services, middleware, routes.</summary>
public static class LeveeHttpExtensions
{
    private const long DefaultStagingBytes = 64L << 20;

    /// <summary>
    /// What a connection may have us keep that has not been read by a request yet: a request line and its headers at the least.
    /// </summary>
    private const int RequestBufferBytes = 32 * 1024;

    private const int HeaderBytes = 16 * 1024;
    private static readonly TimeSpan HeadersPatience = TimeSpan.FromSeconds(10);
    private const string ReadyTag = "ready";
    private const string EntryRoute = "/caches/{cache}/keys/{**key}";
    private const string KeyText = "The key, percent-encoded; slashes may stand as they are. 1 to 4,096 bytes.";
    private const string TtlText = "The TTL: a whole number and a unit (ms, s, m, h, d), or 'none' for no expiry, which overrides the cache's default. Goes before Cache-Control.";
    private const string SlidingText = "A sliding TTL: each use moves the expiry by so much, never beyond ttl where that is given.";

    /// <summary>Adds what the HTTP front door needs. <see cref="MetricRegistry"/> and <see cref="ReadinessState"/> are then to be had from the services.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="caches">The caches that are served.</param>
    /// <param name="measured">The caches that the metrics count; null: those that are served.</param>
    public static IServiceCollection AddLeveeHttp(this IServiceCollection services, CacheCatalog caches, CacheCatalog? measured = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(caches);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(caches);
        services.AddSingleton<ReadinessState>();
        services.TryAddSingleton(provider => new StagingArea(DefaultStagingBytes, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(_ =>
        {
            var readers = new SlowReaders();
            foreach (var cache in caches.Caches)
            {
                readers.Watch(cache.LargeValues);
            }

            return readers;
        });
        services.AddSingleton<EntryEndpoints>();
        services.AddSingleton<CacheEndpoints>();
        services.AddSingleton<PrefetchEndpoints>();
        services.AddMetrics();
        services.AddSingleton(new CacheMetrics(measured ?? caches));
        services.AddSingleton<LeveeMeter>();
        services.AddSingleton<HttpMetrics>();
        services.AddSingleton<HttpFrontDoor>();
        services.AddSingleton(provider =>
        {
            var registry = new MetricRegistry(provider.GetRequiredService<CacheMetrics>());
            registry.Add(new TierMetrics(provider.GetRequiredService<CacheMetrics>()));
            registry.Add(new PrefetchMetrics(provider.GetRequiredService<CacheMetrics>()));
            registry.Add(provider.GetRequiredService<HttpMetrics>());
            registry.Add(new RuntimeMetrics(provider.GetRequiredService<TimeProvider>()));
            return registry;
        });
        services.AddHealthChecks().AddCheck<ReadinessCheck>(ReadyTag, tags: [ReadyTag]).AddCheck<TierHealthCheck>("tiers");
        services.ConfigureHttpJsonOptions(options => options.SerializerOptions.TypeInfoResolverChain.Insert(0, LeveeJson.Default));
        services.AddOpenApi("v1", options => options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info.Title = "Levee";
            document.Info.Description = "A self-tuning cache over HTTP. Errors are problem details (RFC 9457) whose type begins with urn:levee:problem:.";
            return Task.CompletedTask;
        }));
        return services;
    }

    /// <summary>
    /// Sets the limits that the HTTP front door counts on, and counts connections. Call it before the endpoints are added (<c>Listen…</c>).
    /// </summary>
    public static KestrelServerOptions UseLeveeHttp(this KestrelServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.AddServerHeader = false;

        // A key of 4,096 bytes takes 12,288 where every byte is percent-encoded.
        options.Limits.MaxRequestLineSize = HeaderBytes;
        options.Limits.MaxRequestHeadersTotalSize = HeaderBytes;
        options.Limits.MaxRequestBufferSize = RequestBufferBytes;
        options.Limits.RequestHeadersTimeout = HeadersPatience;

        // As many as may hold the free part of a staging area each.
        var staging = options.ApplicationServices.GetRequiredService<StagingArea>();
        options.Limits.MaxConcurrentConnections = staging.CapacityBytes / StagingArea.FreeBytes;
        var metrics = options.ApplicationServices.GetRequiredService<HttpMetrics>();
        options.ConfigureEndpointDefaults(endpoint => endpoint.Use(next => async connection =>
        {
            metrics.ConnectionOpened();
            try
            {
                await next(connection).ConfigureAwait(false);
            }
            finally
            {
                metrics.ConnectionClosed();
            }
        }));
        return options;
    }

    /// <summary>Puts timing, counting and problem details around all that follows.</summary>
    public static IApplicationBuilder UseLeveeHttp(this IApplicationBuilder app)
    {
        ArgumentNullException.ThrowIfNull(app);
        var door = app.ApplicationServices.GetRequiredService<HttpFrontDoor>();
        _ = app.ApplicationServices.GetRequiredService<LeveeMeter>();
        return app.Use(next => context => door.InvokeAsync(context, next));
    }

    /// <summary>Maps the caches, health, <c>/metrics</c> and the OpenAPI document.</summary>
    public static IEndpointRouteBuilder MapLeveeHttp(this IEndpointRouteBuilder routes)
    {
        ArgumentNullException.ThrowIfNull(routes);
        MapEntries(routes, routes.ServiceProvider.GetRequiredService<EntryEndpoints>());
        var caches = routes.ServiceProvider.GetRequiredService<CacheEndpoints>();
        MapCaches(routes, caches);
        MapMany(routes, caches);
        MapPrefetch(routes, routes.ServiceProvider.GetRequiredService<PrefetchEndpoints>());
        MapOperations(routes);
        return routes;
    }

    private static void MapEntries(IEndpointRouteBuilder routes, EntryEndpoints entries)
    {
        routes.MapMethods(EntryRoute, [HttpMethods.Get], (HttpContext context, string cache) => entries.GetAsync(context, cache))
            .Describe("GetEntry", RequestOperation.Get, "entries", "Reads an entry's value.",
                "Counts as a use. The content type is the one it was written with, or application/octet-stream.", 304, 400, 404, 409, 412, 503)
            .Rest("key", KeyText)
            .Header("If-None-Match", "ETags; the answer is 304 without the value where the entry has one of them.")
            .ProducesValue("The value.");
        routes.MapMethods(EntryRoute, [HttpMethods.Head], (HttpContext context, string cache) => entries.GetAsync(context, cache))
            .Describe("HeadEntry", RequestOperation.Peek, "entries", "Asks whether there is an entry, and for its metadata.",
                "Does not count as a use: neither the eviction policy nor a sliding TTL notices.", 304, 400, 404, 409, 412, 503)
            .Rest("key", KeyText)
            .Header("If-None-Match", "ETags; the answer is 304 where the entry has one of them.")
            .ProducesValue("There is an entry; Content-Length is its value's length.");
        routes.MapMethods(EntryRoute, [HttpMethods.Put], (HttpContext context, string cache) => entries.PutAsync(context, cache))
            .Describe("PutEntry", RequestOperation.Set, "entries", "Writes an entry.",
                "The body is the value. The answer is 204 with the new ETag, whether or not an entry was there before (to know that could cost a read of a lower tier); "
                + "with 'If-None-Match: *' it is 201. A Content-Type of application/x-www-form-urlencoded, which curl sends unless told otherwise, counts as none.", 400, 412, 413, 503)
            .Rest("key", KeyText)
            .Query("ttl", TtlText)
            .Query("sliding", SlidingText)
            .Header("Cache-Control", "max-age=N: the TTL in seconds.")
            .Header(EntryHeaders.Tags, "Tags with commas between, percent-encoded where they are not plain ASCII; may be repeated.")
            .Header(EntryHeaders.Flags, "A number of 32 bits that is kept with the entry.")
            .Header("If-Match", "Write only where the entry has one of these ETags; '*': where there is one.")
            .Header("If-None-Match", "Write only where the entry has none of these ETags; '*': where there is none.")
            .Body("The value.")
            .Produces(StatusCodes.Status204NoContent)
            .Produces(StatusCodes.Status201Created);
        routes.MapMethods(EntryRoute, [HttpMethods.Patch], (HttpContext context, string cache) => entries.PatchAsync(context, cache))
            .Describe("PatchEntry", RequestOperation.Expire, "entries", "Changes an entry's TTL.",
                "Neither the value nor the version changes. Takes no body.", 400, 404, 503)
            .Rest("key", KeyText)
            .Query("ttl", TtlText)
            .Query("sliding", SlidingText)
            .Header("Cache-Control", "max-age=N: the TTL in seconds.")
            .Produces(StatusCodes.Status204NoContent);
        routes.MapMethods(EntryRoute, [HttpMethods.Delete], (HttpContext context, string cache) => entries.DeleteAsync(context, cache))
            .Describe("DeleteEntry", RequestOperation.Delete, "entries", "Removes an entry.",
                "The answer is 204 where there was one and 404 where there was none.", 400, 404, 412, 503)
            .Rest("key", KeyText)
            .Header("If-Match", "Remove only an entry with one of these ETags.")
            .Header("If-None-Match", "Remove only an entry with none of these ETags.")
            .Produces(StatusCodes.Status204NoContent);
    }

    private static void MapCaches(IEndpointRouteBuilder routes, CacheEndpoints caches)
    {
        routes.MapGet("/caches", (HttpContext context, CancellationToken cancellationToken) => caches.ListAsync(context, cancellationToken))
            .Describe("ListCaches", RequestOperation.Statistics, "caches", "All caches with their statistics.", "In the order in which they are configured; the first is the default.")
            .Produces<CacheList>();
        routes.MapGet("/caches/{cache}", (HttpContext context, string cache) => caches.StatusAsync(context, cache))
            .Describe("GetCache", RequestOperation.Statistics, "caches", "A cache's statistics.",
                "Counters since the start, memory by use, the eviction policy's lists and its adaptive target.", 404)
            .Produces<CacheStatus>();
        routes.MapGet("/caches/{cache}/tiers", (HttpContext context, string cache) => caches.TiersAsync(context, cache))
            .Describe("GetTiers", RequestOperation.Statistics, "caches", "The tiers below a cache's memory: what each holds, does and costs.",
                "The warmest first; none where the cache lives in memory alone. Costs are US dollars and seconds a day at the traffic of the period that they name.", 404)
            .Produces<TierList>();
        routes.MapGet("/caches/{cache}/explain", (HttpContext context, string cache) => caches.ExplainAsync(context, cache))
            .Describe("ExplainKey", RequestOperation.Explain, "caches", "Says where the entry of a key lies, and why.",
                "In memory or not, on which list of the eviction policy, and which tiers hold it. Counts as no use, and asks no tier. A key without an entry is explained too: it lies nowhere.", 400, 404)
            .Query("key", "The key, percent-encoded. 1 to 4,096 bytes.", isRequired: true)
            .Produces<ExplanationStatus>();
        routes.MapGet("/caches/{cache}/keys", (HttpContext context, string cache) => caches.ScanAsync(context, cache))
            .Describe("ScanKeys", RequestOperation.Scan, "caches", "Lists keys, page by page.",
                "An entry that is there from the first page to the last is listed exactly once. A page may be empty and yet not the last: go on while there is a cursor.", 400, 404)
            .Query("cursor", "Where to go on, as the page before says; none to begin.")
            .Query("count", "The most keys of this page, 1 to 10,000; 100 unless given.")
            .Query("prefix", "List only keys that begin so.")
            .Produces<KeyPage>();
        routes.MapDelete("/caches/{cache}/keys", (HttpContext context, string cache) => caches.ClearAsync(context, cache))
            .Describe("ClearCache", RequestOperation.Clear, "caches", "Removes everything.", "Needs 'all=true', so that a mistyped DELETE of one key does not empty the cache.", 400, 404)
            .Query("all", "true", isRequired: true)
            .Produces<RemovedCount>();
        routes.MapDelete("/caches/{cache}/tags/{**tag}", (HttpContext context, string cache) => caches.RemoveByTagAsync(context, cache))
            .Describe("RemoveByTag", RequestOperation.RemoveByTag, "caches", "Invalidates every entry that carries a tag.",
                "None is answered any more once this returns; their memory comes back in the background.", 400, 404)
            .Rest("tag", "The tag, percent-encoded; slashes may stand as they are. 1 to 255 bytes.")
            .Produces(StatusCodes.Status204NoContent);
    }

    private static void MapMany(IEndpointRouteBuilder routes, CacheEndpoints caches)
    {
        routes.MapPost("/caches/{cache}/get-many", (HttpContext context, string cache) => caches.GetManyAsync(context, cache))
            .Describe("GetMany", RequestOperation.GetMany, "many", "Reads up to 1,000 entries.", "The answers come in the order of the keys, values in base64.", 400, 404, 413, 415)
            .Accepts<KeyList>("application/json")
            .Produces<EntryList>();
        routes.MapPost("/caches/{cache}/set-many", (HttpContext context, string cache) => caches.SetManyAsync(context, cache))
            .Describe("SetMany", RequestOperation.SetMany, "many", "Writes up to 1,000 entries, 8 MiB of JSON in all.",
                "All are checked before the first is written; then each is stored or refused for itself, and the answer says which. They are not one transaction.", 400, 404, 413, 415)
            .Accepts<NewEntryList>("application/json")
            .Produces<StoreResult>();
        routes.MapPost("/caches/{cache}/delete-many", (HttpContext context, string cache) => caches.DeleteManyAsync(context, cache))
            .Describe("DeleteMany", RequestOperation.DeleteMany, "many", "Removes up to 1,000 entries.", "The answer counts what was there and what was not.", 400, 404, 413, 415)
            .Accepts<KeyList>("application/json")
            .Produces<DeleteResult>();
    }

    private static void MapPrefetch(IEndpointRouteBuilder routes, PrefetchEndpoints prefetch)
    {
        const string route = "/caches/{cache}/prefetch";
        routes.MapPost(route, (HttpContext context, string cache) => prefetch.HintAsync(context, cache))
            .Describe("HintKeys", RequestOperation.Prefetch, "prefetch", "Names up to 1,000 keys that will be wanted.",
                "They wait in a queue, the highest priority first, before all that is predicted, and are brought up into memory from a lower tier. Waits for no load: the answer says how many were taken into the queue.",
                400, 404, 413, 415)
            .Accepts<HintList>("application/json")
            .Produces<HintResult>(StatusCodes.Status202Accepted);
        routes.MapGet(route, (HttpContext context, string cache) => prefetch.StatusAsync(context, cache))
            .Describe("GetPrefetch", RequestOperation.Statistics, "prefetch", "What the cache's prefetcher has learnt, what it did, and what waits.",
                "For each confidence bucket what was issued, used, late and wasted, and whether it is open; the threshold, the look-ahead, the area, the pollution; the keys that come next.", 400, 404, 503)
            .Query("queue", "How many of the keys that wait to list, 0 to 1,000; 10 unless given.")
            .Produces<PrefetchStatus>();
        routes.MapPatch(route, (HttpContext context, string cache) => prefetch.SwitchAsync(context, cache))
            .Describe("SwitchPrefetch", RequestOperation.Prefetch, "prefetch", "Switches the prefetcher's learning on or off, until the server stops.",
                "Without learning nothing is predicted; hints are followed either way.", 400, 404, 413, 415, 503)
            .Accepts<PrefetchChange>("application/json")
            .Produces<PrefetchStatus>();
    }

    private static void MapOperations(IEndpointRouteBuilder routes)
    {
        var metrics = routes.ServiceProvider.GetRequiredService<MetricRegistry>();
        routes.MapGet("/metrics", (HttpContext context, CancellationToken cancellationToken) => metrics.WriteAsync(context, cancellationToken))
            .Describe("GetMetrics", RequestOperation.Other, "operations", "Everything that is counted, in the Prometheus text format.", "")
            .Produces<string>(StatusCodes.Status200OK, "text/plain");
        var health = routes.ServiceProvider.GetRequiredService<HealthCheckService>();
        routes.MapGet("/health", (HttpContext context, CancellationToken cancellationToken) => HealthEndpoints.AnswerAsync(context, health, _ => true, cancellationToken))
            .Describe("GetHealth", RequestOperation.Other, "operations", "How the server is: Healthy, or Degraded where it goes on without a lower tier.",
                "The lines after the first say which tier is degraded or still recovering, and why. Degraded is 200: the cache works.", 503)
            .Produces<string>(StatusCodes.Status200OK, "text/plain");
        routes.MapGet("/health/live", (HttpContext context, CancellationToken cancellationToken) => HealthEndpoints.AnswerAsync(context, health, _ => false, cancellationToken))
            .Describe("GetLiveness", RequestOperation.Other, "operations", "Whether the process answers.", "")
            .Produces<string>(StatusCodes.Status200OK, "text/plain");
        routes.MapGet("/health/ready", (HttpContext context, CancellationToken cancellationToken) => HealthEndpoints.AnswerAsync(context, health, check => check.Tags.Contains(ReadyTag), cancellationToken))
            .Describe("GetReadiness", RequestOperation.Other, "operations", "Whether the server takes requests: all listeners are up, and it is not stopping.", "", 503)
            .Produces<string>(StatusCodes.Status200OK, "text/plain");
        routes.MapOpenApi();
    }
}
