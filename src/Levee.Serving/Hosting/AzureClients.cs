using Azure.Data.Tables;
using Azure.Identity;
using Azure.Storage.Blobs;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Levee.Serving.Hosting;

/// <summary>Clients of Azure Storage that sign in as the machine (managed identity, workload identity, a developer's sign-in), for the addresses that the configuration names.</summary>
internal static class AzureClients
{
    /// <summary>Adds them, under the keys by which Orleans' providers ask for them.</summary>
    public static void Add(IServiceCollection services, IConfiguration configuration)
    {
        foreach (var (key, address) in ClusterProvider.ClientAddresses(configuration, "AzureBlobStorage"))
        {
            services.AddKeyedSingleton(key, (_, _) => new BlobServiceClient(address, new DefaultAzureCredential()));
        }

        foreach (var (key, address) in ClusterProvider.ClientAddresses(configuration, "AzureTableStorage"))
        {
            services.AddKeyedSingleton(key, (_, _) => new TableServiceClient(address, new DefaultAzureCredential()));
        }
    }
}
