using System.Text.RegularExpressions;
using Levee.Tiers;
using Levee.Tiers.Stores;

namespace Levee.Storage.Azure;

/// <summary>Which container of which account, where, and how it is asked. Checked values; credentials are not among them.</summary>
public sealed partial record AzureBlobStoreOptions
{
    private const string Form = "azblob://account/container/prefix?endpoint=http://127.0.0.1:10000/devstoreaccount1";

    private const string Credentials =
        "Credentials come from AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_KEY where one is set, and otherwise from Azure's own chain: the environment, a workload or managed identity, or the Azure CLI.";

    private AzureBlobStoreOptions(string account, string container, string prefix)
    {
        Account = account;
        Container = container;
        Prefix = prefix;
    }

    /// <summary>The storage account.</summary>
    public string Account { get; }

    /// <summary>The container.</summary>
    public string Container { get; }

    /// <summary>What all names in the container begin with: empty, or with a slash at its end.</summary>
    public string Prefix { get; }

    /// <summary>The account's address where it is not the public cloud's; null where it is.</summary>
    public string? Endpoint { get; private init; }

    /// <summary>How long a request may take, 15 seconds by default. A write has a second more for each MiB.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The store's URI, for people.</summary>
    public string Location => $"azblob://{Account}/{(Container + "/" + Prefix).TrimEnd('/')}{(Endpoint is null ? "" : "?endpoint=" + Endpoint)}";

    /// <summary>The account's address.</summary>
    public Uri Address => new(Endpoint ?? $"https://{Account}.blob.core.windows.net");

    /// <summary>Reads a URI such as <c>azblob://account/container/prefix</c>.</summary>
    /// <exception cref="TierException">It is not one; the message says why, and what is allowed.</exception>
    public static AzureBlobStoreOptions Parse(string text)
    {
        var uri = StoreUri.Parse(text, "azblob", Form, Credentials, "endpoint");
        if (!AccountName().IsMatch(uri.Root))
        {
            throw uri.Refusal("A storage account's name has 3 to 24 lower-case letters and digits.");
        }

        var slash = uri.Path.IndexOf('/', StringComparison.Ordinal);
        var container = slash < 0 ? uri.Path : uri.Path[..slash];
        if (!ContainerName().IsMatch(container) || container.Contains("--", StringComparison.Ordinal))
        {
            throw uri.Refusal("The container comes after the account; its name has 3 to 63 lower-case letters, digits and single '-', with a letter or digit at both ends.");
        }

        return new AzureBlobStoreOptions(uri.Root, container, slash < 0 ? "" : uri.Path[(slash + 1)..] + "/") { Endpoint = WithAccount(uri.Address("endpoint", mayHavePath: true), uri.Root) };
    }

    /// <summary>An address without a path names the account in its host, or it means a service that wants the account in the path, as Azurite does.</summary>
    private static string? WithAccount(string? endpoint, string account)
    {
        if (endpoint is null)
        {
            return null;
        }

        var address = new Uri(endpoint);
        return address.AbsolutePath != "/" || address.Host.StartsWith(account + ".", StringComparison.Ordinal) ? endpoint : $"{endpoint}/{account}";
    }

    [GeneratedRegex("^[a-z0-9]{3,24}\\z")]
    private static partial Regex AccountName();

    [GeneratedRegex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]\\z")]
    private static partial Regex ContainerName();
}
