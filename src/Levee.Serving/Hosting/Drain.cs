using Levee.Orleans;

namespace Levee.Serving.Hosting;

/// <summary>A silo that hands its partitions over: not ready any more, but answering until it is done.</summary>
internal sealed class Drain(ILeveeSilo silo)
{
    private volatile bool hasBegun;

    /// <summary>Why the silo takes no new clients; null: it does.</summary>
    public string? Obstacle => hasBegun ? "stopping" : silo.Obstacle;

    /// <summary>Hands the partitions over.</summary>
    public Task RunAsync(CancellationToken cancellation)
    {
        hasBegun = true;
        return silo.DrainAsync(cancellation);
    }
}
