using System.Text.RegularExpressions;
using Levee.Tiers;
using Levee.Tiers.Stores;

namespace Levee.Storage.S3;

/// <summary>Which bucket, where, and how it is asked. Checked values; credentials are not among them.</summary>
public sealed partial record S3StoreOptions
{
    private const string Form = "s3://bucket/prefix?endpoint=http://127.0.0.1:4568&region=eu-central-1&pathstyle=true";

    private const string Credentials =
        "Credentials come from the AWS SDK's own chain: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile that AWS_PROFILE names, or the role of the container or machine.";

    private S3StoreOptions(string bucket, string prefix)
    {
        Bucket = bucket;
        Prefix = prefix;
    }

    /// <summary>The bucket.</summary>
    public string Bucket { get; }

    /// <summary>What all names in the bucket begin with: empty, or with a slash at its end.</summary>
    public string Prefix { get; }

    /// <summary>The address of a service other than AWS; null for AWS.</summary>
    public string? Endpoint { get; private init; }

    /// <summary>The region; null leaves it to the SDK (AWS_REGION, the profile, the machine), and is us-east-1 where an endpoint is given.</summary>
    public string? Region { get; private init; }

    /// <summary>Whether the bucket stands in the path of a request and not in its host name: by default where an endpoint is given.</summary>
    public bool IsPathStyle { get; private init; }

    /// <summary>How long a request may take, 15 seconds by default. A write has a second more for each MiB.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The store's URI, for people.</summary>
    public string Location => $"s3://{Bucket}/{Prefix.TrimEnd('/')}{(Endpoint is null ? "" : "?endpoint=" + Endpoint)}";

    /// <summary>Reads a URI such as <c>s3://bucket/prefix?endpoint=http://127.0.0.1:4568&amp;region=eu-central-1&amp;pathstyle=true</c>.</summary>
    /// <exception cref="TierException">It is not one; the message says why, and what is allowed.</exception>
    public static S3StoreOptions Parse(string text)
    {
        var uri = StoreUri.Parse(text, "s3", Form, Credentials, "endpoint", "region", "pathstyle");
        if (!BucketName().IsMatch(uri.Root))
        {
            throw uri.Refusal("A bucket's name has 3 to 63 lower-case letters, digits, '-' and '.', with a letter or digit at both ends.");
        }

        var endpoint = uri.Address("endpoint", mayHavePath: false);
        var region = uri.Text("region");
        if (region is not null && !RegionName().IsMatch(region))
        {
            throw uri.Refusal("region is a name such as eu-central-1, of lower-case letters, digits and '-'.");
        }

        return new S3StoreOptions(uri.Root, uri.Path.Length == 0 ? "" : uri.Path + "/")
        {
            Endpoint = endpoint,
            Region = region,
            IsPathStyle = uri.Switch("pathstyle") ?? endpoint is not null,
        };
    }

    [GeneratedRegex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\\z")]
    private static partial Regex BucketName();

    [GeneratedRegex("^[a-z0-9-]{2,40}\\z")]
    private static partial Regex RegionName();
}
