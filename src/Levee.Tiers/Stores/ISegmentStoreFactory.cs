using System.Reflection;

namespace Levee.Tiers.Stores;

/// <summary>Makes stores for the addresses of one kind. Each assembly <c>Levee.Storage.*</c> has one, with a constructor without parameters.</summary>
public interface ISegmentStoreFactory
{
    /// <summary>The kind of address: "s3", "azblob".</summary>
    string Kind { get; }

    /// <summary>Makes a store.</summary>
    /// <exception cref="TierException">The address is wrong; the message says what is allowed.</exception>
    ISegmentStore Create(Uri address);

    /// <summary>Finds the factory of a kind in the assembly that has it, where that lies beside the program.</summary>
    /// <exception cref="TierException">It does not.</exception>
    static ISegmentStoreFactory Find(string kind)
    {
        var name = kind switch
        {
            "s3" => "Levee.Storage.S3",
            "azblob" => "Levee.Storage.Azure",
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "s3 or azblob"),
        };
        try
        {
            var type = Assembly.Load(name).GetExportedTypes().Single(type => type.IsAssignableTo(typeof(ISegmentStoreFactory)));
            return (ISegmentStoreFactory)Activator.CreateInstance(type)!;
        }
        catch (Exception missing) when (missing is FileNotFoundException or FileLoadException)
        {
            throw new TierException($"a tier {kind}:// needs {name}.dll beside the program, which this build does not have; build it in with 'dotnet publish -p:LeveeStorage=all'", missing);
        }
    }
}
