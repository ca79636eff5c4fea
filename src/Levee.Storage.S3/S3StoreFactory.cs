using Levee.Tiers.Stores;

namespace Levee.Storage.S3;

/// <summary>Makes S3 stores for addresses <c>s3://bucket/prefix?...</c>.</summary>
public sealed class S3StoreFactory : ISegmentStoreFactory
{
    /// <inheritdoc/>
    public string Kind => "s3";

    /// <inheritdoc/>
    public ISegmentStore Create(Uri address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return new S3SegmentStore(S3StoreOptions.Parse(address.OriginalString));
    }
}
