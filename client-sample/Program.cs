// A product catalogue with a slow database and a cache in front of it. README.md says how to run it.
using System.Globalization;
using System.Net;
using Levee.ClientSample;
using Levee.Orleans;
using Orleans.Configuration;

// The settings lie beside the program, from wherever it is started.
var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
var settings = builder.Configuration.GetSection("Levee");
var callTimeout = TimeSpan.FromMilliseconds(500);

switch (settings["Mode"])
{
    case "cluster":
        // The service begins to answer while the client is still looking for the cluster.
        builder.Services.Configure<HostOptions>(options => options.ServicesStartConcurrently = true);
        builder.UseOrleansClient(client => client
            .UseStaticClustering([.. settings["Gateways"]!.Split(',', StringSplitOptions.TrimEntries).Select(IPEndPoint.Parse)])
            .Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = (settings["ClusterId"]!, settings["ServiceId"]!))
            .UseConnectionRetryFilter(TryAgainAsync));
        builder.Services.AddLeveeClient(options =>
        {
            options.Caches[0] = settings["Cache"]!;
            options.CallTimeout = callTimeout;
        });
        builder.Services.AddSingleton<ICatalogueCache>(services => new ClusterCache(services, settings["Gateways"]!));
        break;
    case "standalone":
        builder.Services.AddSingleton<ICatalogueCache>(new StandaloneCache(new HttpClient { BaseAddress = new Uri(settings["Standalone"]!), Timeout = callTimeout }, settings["Cache"]!));
        break;
    case "none":
        builder.Services.AddSingleton<ICatalogueCache, NoCache>();
        break;
    case var other:
        await Console.Error.WriteLineAsync($"client-sample: Levee:Mode is '{other}'; allowed: cluster, standalone, none");
        return 2;
}

builder.Services.AddSingleton(TimeProvider.System).AddSingleton<Origin>().AddSingleton<Measurements>().AddSingleton<Catalogue>().AddSingleton<Load>();
builder.Services.ConfigureHttpJsonOptions(options => options.SerializerOptions.TypeInfoResolverChain.Insert(0, CatalogueJson.Default));
await using var app = builder.Build();

app.MapGet("/", () => TypedResults.Stream(typeof(Catalogue).Assembly.GetManifestResourceStream("Page.html")!, "text/html; charset=utf-8"));
app.MapGet("/products/{id:int}", async (int id, bool? cache, Catalogue catalogue, CancellationToken cancellation) =>
    await catalogue.FindAsync(id, cache ?? true, cancellation) is { } product ? Results.Ok(product) : NoSuchProduct(id));
app.MapGet("/products", async (string category, int? page, bool? cache, Catalogue catalogue, CancellationToken cancellation) =>
    Origin.Categories.Contains(category) && page is null or > 0
        ? Results.Ok(await catalogue.ListAsync(category, page ?? 1, cache ?? true, cancellation))
        : Results.Problem($"category is '{category}', page is {page ?? 1}; allowed: {string.Join(", ", Origin.Categories)}; pages from 1", statusCode: 400));
app.MapPost("/products/{id:int}", async (int id, ProductUpdate update, Catalogue catalogue, CancellationToken cancellation) =>
    update.Price < 0 ? Results.Problem($"price is {update.Price}; allowed: 0 or more", statusCode: 400)
    : await catalogue.UpdateAsync(id, update, cancellation) is { } product ? Results.Ok(product) : NoSuchProduct(id));
app.MapGet("/stats", (Measurements measurements) => measurements.Report());
app.MapPost("/load", async (int? seconds, Load load, IHostApplicationLifetime lifetime) =>
    await load.RunAsync(TimeSpan.FromSeconds(Math.Clamp(seconds ?? 10, 1, 600)), lifetime.ApplicationStopping) ? Results.NoContent() : Results.Problem("a load runs already", statusCode: 409));

try
{
    Console.WriteLine($"client-sample on {builder.Configuration["Urls"]}, cache: {app.Services.GetRequiredService<ICatalogueCache>().Description}");
    return builder.Configuration["load"] is { } duration ? await LoadAsync(duration) : await ServeAsync();
}
catch (OperationCanceledException)
{
    return 0;
}
catch (Exception failure)
{
    // A port that is taken, a cache that the cluster does not have: better now than later.
    await Console.Error.WriteLineAsync($"client-sample: {failure.Message}");
    return 1;
}

async Task<int> ServeAsync()
{
    await app.RunAsync();
    return 0;
}

async Task<int> LoadAsync(string duration)
{
    if (!int.TryParse(duration.TrimEnd('s'), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) || seconds is < 1 or > 600)
    {
        await Console.Error.WriteLineAsync($"client-sample: --load is '{duration}'; allowed: 1s to 600s");
        return 2;
    }

    await app.StartAsync();
    await app.Services.GetRequiredService<Load>().RunAsync(TimeSpan.FromSeconds(seconds), app.Lifetime.ApplicationStopping);
    var report = app.Services.GetRequiredService<Measurements>().Report();
    Console.WriteLine($"""
                          with cache   without
        requests        {report.WithCache.Requests,12:N0}{report.WithoutCache.Requests,10:N0}
        per second      {report.WithCache.PerSecond,12:N0}{report.WithoutCache.PerSecond,10:N0}
        hit ratio       {report.WithCache.HitRatio,12:P1}
        p50, ms         {report.WithCache.P50Ms,12:N2}{report.WithoutCache.P50Ms,10:N2}
        p99, ms         {report.WithCache.P99Ms,12:N2}{report.WithoutCache.P99Ms,10:N2}
        cache errors    {report.CacheErrors,12:N0}  {report.LastError}
        """);
    await app.StopAsync();
    return 0;
}

async Task<bool> TryAgainAsync(Exception failure, CancellationToken cancellation)
{
    await Console.Error.WriteLineAsync($"No cluster yet, the origin answers meanwhile: {failure.Message} Looking for cluster '{settings["ClusterId"]}' at {settings["Gateways"]}.");
    await Task.Delay(TimeSpan.FromSeconds(2), cancellation);
    return true;
}

static IResult NoSuchProduct(int id) => Results.Problem($"there is no product {id}; there are 1 to {Origin.ProductCount}", statusCode: 404);
