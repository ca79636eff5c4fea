using Azure.Data.Tables;
using Azure.Identity;
using Levee.Serving;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Levee.Silo;

/// <summary>Table clients that sign in as whom the machine is.</summary>
internal static partial class SiloHost
{
    static partial void AddAzureTables(IServiceCollection services, IConfiguration configuration)
    {
        foreach (var (key, address) in ClusterProvider.ClientAddresses(configuration, "AzureTableStorage"))
        {
            services.AddKeyedSingleton(key, (_, _) => new TableServiceClient(address, new DefaultAzureCredential()));
        }
    }
}
