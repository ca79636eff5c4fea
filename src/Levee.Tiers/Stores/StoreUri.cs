namespace Levee.Tiers.Stores;

/// <summary>
/// The URI of a store: <c>scheme://name/path?parameter=value</c>. It never holds credentials: a URI is printed, logged and seen in process lists.
/// A refusal says what is wrong and what is allowed; it repeats no text in which a secret could lie.
/// </summary>
public sealed class StoreUri
{
    private readonly string form;
    private readonly Dictionary<string, string> parameters;

    private StoreUri(string form, string root, string path, Dictionary<string, string> parameters)
    {
        this.form = form;
        Root = root;
        Path = path;
        this.parameters = parameters;
    }

    /// <summary>What stands between the scheme and the first slash: a bucket, an account.</summary>
    public string Root { get; }

    /// <summary>What follows, without slashes at its ends; may be empty.</summary>
    public string Path { get; }

    /// <summary>Takes a URI apart.</summary>
    /// <param name="text">The URI.</param>
    /// <param name="scheme">The scheme that it must have.</param>
    /// <param name="form">How such a URI looks, for messages.</param>
    /// <param name="credentials">Where credentials come from instead, for messages.</param>
    /// <param name="allowed">The parameters that it may have.</param>
    /// <exception cref="TierException">The URI is not one of these.</exception>
    public static StoreUri Parse(string text, string scheme, string form, string credentials, params ReadOnlySpan<string> allowed)
    {
        ArgumentNullException.ThrowIfNull(text);
        var start = scheme + "://";
        if (!text.StartsWith(start, StringComparison.OrdinalIgnoreCase))
        {
            throw new TierException($"The URI of a store of this kind begins with {start}. It looks like {form}");
        }

        var question = text.IndexOf('?', StringComparison.Ordinal);
        var place = question < 0 ? text[start.Length..] : text[start.Length..question];
        if (place.Contains('@', StringComparison.Ordinal))
        {
            throw new TierException($"A {start} URI holds no user name, key or password, because it is printed and logged. {credentials}");
        }

        var slash = place.IndexOf('/', StringComparison.Ordinal);
        var path = slash < 0 ? "" : place[slash..].Trim('/');
        if (path.Length > 0 && !SegmentName.IsSound(path))
        {
            throw new TierException($"The path of a {start} URI has up to {SegmentName.MaxLength} letters, digits, '-', '_', '.' and '/', and no empty part, '.' or '..'. It looks like {form}");
        }

        return new StoreUri(form, slash < 0 ? place : place[..slash], path, Parameters(question < 0 ? "" : text[(question + 1)..], start, form, credentials, allowed));
    }

    /// <summary>The value of a parameter; null where there is none.</summary>
    public string? Text(string parameter) => parameters.GetValueOrDefault(parameter);

    /// <summary>The value of a parameter that is true or false; null where there is none.</summary>
    /// <exception cref="TierException">It is something else.</exception>
    public bool? Switch(string parameter) => Text(parameter) switch
    {
        null => null,
        "true" => true,
        "false" => false,
        _ => throw new TierException($"{parameter} is true or false. The URI looks like {form}"),
    };

    /// <summary>The value of a parameter that is the address of a web service, without a slash at its end; null where there is none.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="mayHavePath">Whether the address may have a path.</param>
    /// <exception cref="TierException">It is something else.</exception>
    public string? Address(string parameter, bool mayHavePath)
    {
        if (Text(parameter) is not { } text)
        {
            return null;
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out var address) || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps)
            || address.UserInfo.Length > 0 || address.Query.Length > 0 || address.Fragment.Length > 0 || (!mayHavePath && address.AbsolutePath != "/"))
        {
            throw new TierException($"{parameter} is http:// or https:// with a host and, where it differs, a port{(mayHavePath ? ", and a path" : "")}; no user, key or query. The URI looks like {form}");
        }

        return address.GetLeftPart(UriPartial.Path).TrimEnd('/');
    }

    /// <summary>The refusal of a part of the URI.</summary>
    public TierException Refusal(string what) => new($"{what} The URI looks like {form}");

    private static Dictionary<string, string> Parameters(string query, string start, string form, string credentials, ReadOnlySpan<string> allowed)
    {
        var parameters = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var part in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? part : part[..equals];
            if (!allowed.Contains(name))
            {
                // A name of letters is safe to repeat; anything else may be a piece of a secret with '&' in it.
                var called = equals > 0 && name.Length <= 30 && name.All(char.IsAsciiLetter) ? $"'{name}' " : "";
                throw new TierException($"The parameter {called}is none of a {start} URI's; it may have {string.Join(", ", allowed)}. {credentials} It looks like {form}");
            }

            if (equals < 0 || equals == part.Length - 1 || !parameters.TryAdd(name, Uri.UnescapeDataString(part[(equals + 1)..])))
            {
                throw new TierException($"{name} needs one value, and can be given once. The URI looks like {form}");
            }
        }

        return parameters;
    }
}
