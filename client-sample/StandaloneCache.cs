using System.Globalization;
using System.Net;

namespace Levee.ClientSample;

/// <summary>The cache of one <c>levee serve</c>, or of any silo, over HTTP: what any language can do, without a library.</summary>
internal sealed class StandaloneCache(HttpClient http, string cache) : ICatalogueCache
{
    public string Description => $"standalone at {http.BaseAddress}";

    public async ValueTask<byte[]?> GetAsync(string key, CancellationToken cancellation)
    {
        using var response = await http.GetAsync(PathOf(key), cancellation);
        return await IsMissAsync(response, cancellation) ? null : await response.Content.ReadAsByteArrayAsync(cancellation);
    }

    public async ValueTask SetAsync(string key, byte[] value, TimeSpan ttl, string? tag, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, $"{PathOf(key)}?ttl={((long)ttl.TotalSeconds).ToString(CultureInfo.InvariantCulture)}s") { Content = new ByteArrayContent(value) };
        if (tag is not null)
        {
            request.Headers.Add("Levee-Tags", Uri.EscapeDataString(tag));
        }

        using var response = await http.SendAsync(request, cancellation);
        await IsMissAsync(response, cancellation);
    }

    public async ValueTask RemoveAsync(string key, CancellationToken cancellation)
    {
        using var response = await http.DeleteAsync(PathOf(key), cancellation);
        await IsMissAsync(response, cancellation);
    }

    public async ValueTask RemoveByTagAsync(string tag, CancellationToken cancellation)
    {
        using var response = await http.DeleteAsync($"caches/{cache}/tags/{Uri.EscapeDataString(tag)}", cancellation);
        await IsMissAsync(response, cancellation);
    }

    /// <summary>A miss is a 404, and so is a cache that does not exist: the problem's type tells them apart.</summary>
    private static async ValueTask<bool> IsMissAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        if (response.IsSuccessStatusCode)
        {
            return false;
        }

        var problem = await response.Content.ReadAsStringAsync(cancellation);
        return response.StatusCode == HttpStatusCode.NotFound && problem.Contains("urn:levee:problem:no-entry", StringComparison.Ordinal)
            ? true
            : throw new HttpRequestException($"The cache answered {(int)response.StatusCode}: {problem}");
    }

    private string PathOf(string key) => $"caches/{cache}/keys/{Uri.EscapeDataString(key)}";
}
