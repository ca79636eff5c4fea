using Microsoft.Extensions.Configuration;

namespace Levee.Serving;

/// <summary>
/// A short name for what Orleans' own configuration says at length: the provider of membership and the provider of grain storage. Orleans makes providers out of the section "Orleans";
/// this only fills in what is not there.
/// </summary>
/// <param name="Name">What <c>--clustering</c> calls it.</param>
/// <param name="Clustering">The provider type of membership.</param>
/// <param name="Storage">The provider type of grain storage.</param>
/// <param name="ConnectionKey">The provider's key that <c>--clustering-connection</c> goes to.</param>
public sealed record ClusterProvider(string Name, string Clustering, string Storage, string ConnectionKey = "ConnectionString")
{
    /// <summary>The grain storage that partitions' owners are written to.</summary>
    public const string StorageName = "levee";

    private const string ClusteringSection = "Orleans:Clustering";
    private const string StorageSection = "Orleans:GrainStorage:" + StorageName;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ClusterProvider> All { get; } =
    [
        new("redis", "Redis", "Redis"),
        new("adonet", "AdoNet", "AdoNet"),
        new("azure", "AzureTableStorage", "AzureBlobStorage"),
        new("dynamodb", "DynamoDB", "DynamoDB", "Service"),
    ];

    /// <summary>Whether silos find each other through the first of them, in memory: nothing else is configured.</summary>
    public static bool IsLocalhost(ClusterSettings settings, IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(configuration);
        return settings.Clustering == "localhost" || (settings.Clustering.Length == 0 && !configuration.GetSection(ClusteringSection).Exists());
    }

    /// <summary>Whether the configuration says where records are kept. Where it does not, and silos find each other through the first of them, that one keeps them.</summary>
    public static bool HasStorage(IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return configuration.GetSection(StorageSection).Exists();
    }

    /// <summary>What is to be added to the configuration so that Orleans finds its providers in it.</summary>
    /// <exception cref="OptionException">The options contradict the configuration, or something is missing.</exception>
    public static IReadOnlyDictionary<string, string?> Fill(ClusterSettings settings, IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(configuration);
        var clustering = configuration[ClusteringSection + ":ProviderType"];
        var filled = new Dictionary<string, string?>();
        if (IsLocalhost(settings, configuration))
        {
            if (configuration.GetSection(ClusteringSection).Exists())
            {
                throw new OptionException($"{ClusterOption.Clustering.Flag} is localhost, and the configuration has {ClusteringSection} ({clustering}); leave one of them out");
            }

            if (settings.Connection.Length > 0)
            {
                throw new OptionException($"{ClusterOption.Connection.Flag} needs {ClusterOption.Clustering.Flag} with one of {string.Join(", ", All.Select(provider => provider.Name))}");
            }

            return filled;
        }

        if (settings.Join is not null)
        {
            throw new OptionException($"{ClusterOption.Join.Flag} is for localhost clustering; with {(settings.Clustering.Length > 0 ? settings.Clustering : clustering)} silos find each other through the store");
        }

        if (All.FirstOrDefault(provider => provider.Name == settings.Clustering) is { } named)
        {
            Fill(configuration, filled, ClusteringSection, named.Clustering, named, settings);
            Fill(configuration, filled, StorageSection, named.Storage, named, settings);
        }
        else if (settings.Connection.Length > 0)
        {
            throw new OptionException($"{ClusterOption.Connection.Flag} needs {ClusterOption.Clustering.Flag}");
        }
        else if (!HasStorage(configuration))
        {
            throw new OptionException($"the configuration has {ClusteringSection} ({clustering}), but not {StorageSection}: partitions' owners must outlive every silo (docs/cluster-providers.md has examples)");
        }

        foreach (var section in new[] { ClusteringSection, StorageSection })
        {
            NameTheConnection(configuration, filled, section);
        }

        return filled;
    }

    /// <summary>The clients that providers of a type ask for by ServiceKey, as Aspire writes it, and the addresses that the connection strings of the same names are.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="type">The provider type.</param>
    /// <exception cref="OptionException">There is no such connection string, or it is no address.</exception>
    public static IReadOnlyDictionary<string, Uri> ClientAddresses(IConfiguration configuration, string type)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var addresses = new Dictionary<string, Uri>();
        var sections = configuration.GetSection("Orleans:GrainStorage").GetChildren().Append(configuration.GetSection(ClusteringSection));
        foreach (var section in sections.Where(section => section["ProviderType"] == type))
        {
            if (section["ServiceKey"] is { Length: > 0 } key)
            {
                addresses[key] = Uri.TryCreate(configuration.GetConnectionString(key), UriKind.Absolute, out var address) && address.Scheme.StartsWith("http", StringComparison.Ordinal)
                    ? address
                    : throw new OptionException($"{section.Path}:ServiceKey is '{key}', and ConnectionStrings:{key} is not the https address of the account; allowed: such an address, or instead of ServiceKey a ConnectionName with a connection string");
            }
        }

        return addresses;
    }

    private static void Fill(IConfiguration configuration, Dictionary<string, string?> filled, string section, string type, ClusterProvider named, ClusterSettings settings)
    {
        if (configuration[section + ":ProviderType"] is not { } configured)
        {
            filled[section + ":ProviderType"] = type;
        }
        else if (section == ClusteringSection && configured != type)
        {
            throw new OptionException($"{ClusterOption.Clustering.Flag} is {named.Name}, and the configuration has {section}:ProviderType {configured}; leave one of them out");
        }
        else if (configured != type)
        {
            // Another store for the owners than for membership is fine; the connection is not its.
            return;
        }

        if (settings.Connection.Length > 0)
        {
            filled[$"{section}:{named.ConnectionKey}"] = settings.Connection;
        }

        if (type == "AdoNet" && configuration[section + ":Invariant"] is null)
        {
            filled[section + ":Invariant"] = "Npgsql";
        }
    }

    /// <summary>
    /// Aspire names a client object by ServiceKey, and its connection string by the same name. A Redis provider makes its own connection where it is given the string's name,
    /// so that the silo need not make client objects for it.
    /// </summary>
    private static void NameTheConnection(IConfiguration configuration, Dictionary<string, string?> filled, string section)
    {
        if (configuration[section + ":ServiceKey"] is { Length: > 0 } key && configuration[section + ":ProviderType"] is ("Redis" or "AzureRedisCache"))
        {
            if (configuration.GetConnectionString(key) is null)
            {
                throw new OptionException($"{section}:ServiceKey is '{key}', and there is no ConnectionStrings:{key}");
            }

            filled[section + ":ServiceKey"] = "";
            filled[section + ":ConnectionName"] = key;
        }
    }
}
