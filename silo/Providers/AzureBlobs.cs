using Azure.Identity;
using Azure.Storage.Blobs;
using Levee.Serving;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Levee.Silo;

/// <summary>Blob clients that sign in as whom the machine is (managed identity, workload identity, a developer's sign-in).</summary>
internal static partial class SiloHost
{
    static partial void AddAzureBlobs(IServiceCollection services, IConfiguration configuration)
    {
        foreach (var (key, address) in ClusterProvider.ClientAddresses(configuration, "AzureBlobStorage"))
        {
            services.AddKeyedSingleton(key, (_, _) => new BlobServiceClient(address, new DefaultAzureCredential()));
        }
    }
}
