using Orleans.Concurrency;

namespace Levee.Orleans.Grains;

/// <summary>
/// A partition's address and ownership. Where Orleans activates it, that silo claims the partition. Its key is the cache's name, '/', the partition's number: see <see cref="PartitionKey"/>.
/// </summary>
[Alias("levee.partition")]
public interface ICachePartitionGrain : IGrainWithStringKey
{
    /// <summary>Runs a batch of operations on this partition. What is pending is collected, and large values are read, at the port of the silo that the answer names.</summary>
    [Alias("execute")]
    [ResponseTimeout("00:00:10")]
    ValueTask<Immutable<byte[]>> Execute(Immutable<byte[]> request);

    /// <summary>A piece of a large value that a later operation names. Where that operation comes to another silo, it is told that it is not there.</summary>
    [Alias("write-large")]
    [ResponseTimeout("00:00:10")]
    ValueTask WriteLarge(long number, int length, int offset, Immutable<byte[]> piece);

    /// <summary>Sees to it that the partition has an owner: completes when it can be used.</summary>
    [Alias("ensure")]
    ValueTask<SiloAddress> Ensure();

    /// <summary>Gives the partition up for a silo, unless it is there, as soon as it has been claimed: the next call is placed by the plan, or by the placement hint that it carries.</summary>
    [Alias("move")]
    ValueTask MoveTo(SiloAddress target);
}

/// <summary>The keys of partition grains.</summary>
public static class PartitionKey
{
    /// <summary>The key of a partition.</summary>
    public static string Of(string cache, int partition) => $"{cache}/{partition}";

    /// <summary>Reads a key.</summary>
    /// <exception cref="FormatException">It is none; the message says what one looks like.</exception>
    public static (string Cache, int Partition) Parse(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        var slash = key.LastIndexOf('/');
        return slash > 0 && int.TryParse(key.AsSpan(slash + 1), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var partition)
            ? (key[..slash], partition)
            : throw new FormatException($"'{key}' is no partition; allowed: a cache's name, '/', a number, as in 'default/3'.");
    }
}
