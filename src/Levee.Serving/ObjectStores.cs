using Levee.Storage.Azure;
using Levee.Storage.S3;
using Levee.Tiers;
using Levee.Tiers.Stores;

namespace Levee.Serving;

/// <summary>The vendors' object stores that a server knows. Each is made in a method of its own, so that a vendor's library is loaded only where its store is used.</summary>
internal static class ObjectStores
{
    /// <summary>Opens the store of an address.</summary>
    /// <exception cref="TierException">The address is wrong; the message says what is allowed.</exception>
    public static ISegmentStore Open(TierAddress address) => address.Kind switch
    {
        "s3" => S3(address.Uri!),
        "azblob" => Azure(address.Uri!),
        _ => throw new TierException($"a tier {address.Kind}:// has no store"),
    };

    /// <summary>Checks an address without opening anything.</summary>
    /// <exception cref="TierException">The address is wrong; the message says what is allowed.</exception>
    public static void Check(TierAddress address)
    {
        if (address.Kind == "s3")
        {
            CheckS3(address.Uri!);
        }
        else
        {
            CheckAzure(address.Uri!);
        }
    }

    private static void CheckS3(Uri address) => _ = S3StoreOptions.Parse(address.OriginalString);

    private static void CheckAzure(Uri address) => _ = AzureBlobStoreOptions.Parse(address.OriginalString);

    private static S3SegmentStore S3(Uri address) => new(S3StoreOptions.Parse(address.OriginalString));

    private static AzureBlobSegmentStore Azure(Uri address) => new(AzureBlobStoreOptions.Parse(address.OriginalString));
}
