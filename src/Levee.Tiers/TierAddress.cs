using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Levee.Tiers;

/// <summary>
/// Where a tier is, as a user writes it: <c>file</c> (in the data directory), <c>file:///path</c>, <c>redis://host:6379/0</c>, <c>rediss://...</c>, <c>s3://bucket/prefix?region=...</c>,
/// <c>azblob://account/container/prefix</c>. Its text never shows credentials.
/// </summary>
public sealed partial class TierAddress
{
    /// <summary>What is allowed, for messages.</summary>
    public const string Allowed = "none, file, file:///path, redis://host:port/database, rediss://host:port/database, s3://bucket/prefix, azblob://account/container/prefix";

    private static readonly string[] Schemes = ["file", "redis", "rediss", "s3", "azblob"];

    private TierAddress(string kind, Uri? uri)
    {
        Kind = kind;
        Uri = uri;
    }

    /// <summary>The kind of tier: "file", "redis", "s3", "azblob".</summary>
    public string Kind { get; }

    /// <summary>The address; null for a files tier in the data directory.</summary>
    public Uri? Uri { get; }

    /// <summary>Reads an address.</summary>
    /// <returns>False where it is none of <see cref="Allowed"/>.</returns>
    public static bool TryParse(string text, [NotNullWhen(true)] out TierAddress? address)
    {
        address = null;
        if (text == "file")
        {
            address = new TierAddress("file", null);
            return true;
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || !Schemes.Contains(uri.Scheme) || !text.Contains("://", StringComparison.Ordinal))
        {
            return false;
        }

        if (uri.Scheme == "file" ? uri.LocalPath.Length < 2 || uri.Host.Length > 0 : uri.Host.Length == 0)
        {
            return false;
        }

        // A password with a '/' in it that was not escaped ends the host early: what follows is no path.
        if (uri.Scheme != "file" && uri.AbsolutePath.Contains('@', StringComparison.Ordinal))
        {
            return false;
        }

        address = new TierAddress(uri.Scheme == "rediss" ? "redis" : uri.Scheme, uri);
        return true;
    }

    /// <summary>
    /// What a message may show of text that should be addresses, separated by blanks, and may be none: schemes, and the rest only where no password can lie in it. A password that was not escaped can hold any
    /// character, blanks too. So nothing but schemes is shown where there is an '@' anywhere, and of a part that has a '?' or a port that is no number.
    /// </summary>
    public static string Masked(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var hasCredentials = text.Contains('@', StringComparison.Ordinal);
        return string.Join(' ', text.Split(' ').Select(part => part is "file" or "none" || (!hasCredentials && Harmless().IsMatch(part)) ? part : Scheme().Match(part).Value + "***"));
    }

    [GeneratedRegex(@"^([a-z0-9]{1,10}:///?)?[^:@?#&=/]*(:[0-9]{0,5})?(/[^:@?#&=]*)?\z")]
    private static partial Regex Harmless();

    [GeneratedRegex("^(file|redis|rediss|s3|azblob)://")]
    private static partial Regex Scheme();

    /// <summary>The address without user, password and query.</summary>
    public override string ToString() =>
        Uri is null ? Kind : Uri.IsFile ? "file://" + Uri.UnescapeDataString(Uri.AbsolutePath)
            : Uri.GetComponents(UriComponents.Scheme | UriComponents.Host | UriComponents.Port | UriComponents.Path, UriFormat.UriEscaped);
}
