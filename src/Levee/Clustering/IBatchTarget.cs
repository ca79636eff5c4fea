namespace Levee.Clustering;

/// <summary>Where one packed batch can be sent: a silo's port, a partition's grain, a gateway. Called from any thread, up to <see cref="BatchRouterOptions.MaxInFlight"/> times at once and more for large values.</summary>
public interface IBatchTarget
{
    /// <summary>Which silo or grain it is, for errors and for <see cref="IBatchRoutes.Moved"/>.</summary>
    string Name { get; }

    /// <summary>Executes packed operations.</summary>
    /// <param name="request">The operations; nobody changes it afterwards.</param>
    /// <returns>The packed answers, which nobody changes either.</returns>
    /// <exception cref="BatchNotDeliveredException">It certainly did not run. Any other exception: it may have.</exception>
    ValueTask<byte[]> ExecuteAsync(byte[] request);

    /// <summary>Collects what was pending of a batch and is answered by now. Completes when at least one is, or with none after a while.</summary>
    ValueTask<byte[]> CollectAsync(long batch);

    /// <summary>Reads a piece of a large value that an answer named; empty at its end. Reading to the end lets go of it.</summary>
    ValueTask<byte[]> ReadLargeAsync(long number, int offset);

    /// <summary>Writes a piece of a large value that a later set names.</summary>
    /// <param name="number">Its number, chosen by the caller: 63 random bits.</param>
    /// <param name="length">Length of the whole value in bytes.</param>
    /// <param name="offset">Where the piece begins; pieces come in order.</param>
    /// <param name="piece">Up to <see cref="BatchLimits.PieceBytes"/>.</param>
    ValueTask WriteLargeAsync(long number, int length, int offset, byte[] piece);
}

/// <summary>
/// Which way a lane's operations go. Called while the router is held: an implementation answers from what it knows, neither waits nor calls the router. A lane below the router's partition count is a
/// partition; what others mean (the tiers of one silo) is between the caller of <see cref="BatchRouter.Submit"/> and its routes.
/// </summary>
public interface IBatchRoutes
{
    /// <summary>The best guess.</summary>
    IBatchTarget TargetOf(int partition);

    /// <summary>The sure way (the partition's grain); may be the same.</summary>
    IBatchTarget FallbackOf(int partition);

    /// <summary>A reply to the partition's operations came from <paramref name="owner"/>, which is not the target that was asked, or was reached by the fallback.</summary>
    void Moved(int partition, string owner);

    /// <summary>
    /// Who keeps what a reply left pending, and the large values that it named: whoever gave it. A partition's grain, which goes about, may be elsewhere by now. Called from any thread, without the router.
    /// </summary>
    /// <param name="asked">The target that was asked.</param>
    /// <param name="owner">Who answered.</param>
    IBatchTarget KeeperOf(IBatchTarget asked, string owner);
}

/// <summary>A batch did not reach its target: none of its operations was carried out.</summary>
public sealed class BatchNotDeliveredException : IOException
{
    /// <summary>An exception with a general text.</summary>
    public BatchNotDeliveredException()
        : base("the batch was not delivered")
    {
    }

    /// <param name="message">Which target, and why.</param>
    public BatchNotDeliveredException(string message)
        : base(message)
    {
    }

    /// <param name="message">Which target, and why.</param>
    /// <param name="innerException">What the transport said.</param>
    public BatchNotDeliveredException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
