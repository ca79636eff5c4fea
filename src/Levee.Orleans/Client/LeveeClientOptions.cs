namespace Levee.Orleans;

/// <summary>What a client of a cluster is told.</summary>
public sealed class LeveeClientOptions
{
    /// <summary>The caches that the client uses, the default one first.</summary>
    public IList<string> Caches { get; } = ["default"];

    /// <summary>How long a call may take before it is given up: then a read is tried once more and is a miss, and a write whose outcome is not known fails. What has no owner for twice as long is given up too. 10 ms to 1 minute.</summary>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Memory for large values on their way, in bytes; at least 1 MiB.</summary>
    public long StagingBytes { get; set; } = 128L << 20;

    /// <summary>Through how many of the cluster's gateways operations go at once, 1 to 16.</summary>
    public int Gateways { get; set; } = 2;

    /// <summary>Checks all values.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it, its value and what is allowed.</exception>
    public void Validate()
    {
        Check(Caches.Count > 0 && Caches.Distinct(StringComparer.Ordinal).Count() == Caches.Count, nameof(Caches), string.Join(", ", Caches), "at least one, each once");
        Check(CallTimeout >= TimeSpan.FromMilliseconds(10) && CallTimeout <= TimeSpan.FromMinutes(1), nameof(CallTimeout), CallTimeout, "10 ms to 1 minute");
        Check(StagingBytes >= 1 << 20, nameof(StagingBytes), StagingBytes, "at least 1 MiB");
        Check(Gateways is >= 1 and <= 16, nameof(Gateways), Gateways, "1 to 16");
    }

    private static void Check(bool holds, string option, object value, string allowed)
    {
        if (!holds)
        {
            throw new ArgumentException($"{option} is '{value}'; allowed: {allowed}.", option);
        }
    }
}
