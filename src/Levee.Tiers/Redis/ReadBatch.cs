using System.Collections.Concurrent;

namespace Levee.Tiers.Redis;

/// <summary>
/// Reads that were answered together: one thread of the pool verifies and completes them one after the other. Whoever is completed and reads on does so while the link is corked, so that the
/// next questions leave together too: sent one by one, system calls would cost both sides more than all else.
/// </summary>
internal sealed class ReadBatch(RedisLink link) : IThreadPoolWorkItem
{
    /// <summary>The most reads of a batch: what follows on a read runs before the next one's.</summary>
    public const int MaxReads = 64;

    private static readonly ConcurrentQueue<ReadCall[]> Arrays = new();

    private readonly ReadCall[] reads = Arrays.TryDequeue(out var free) ? free : new ReadCall[MaxReads];
    private int count;

    /// <summary>Whether no more reads have room.</summary>
    public bool IsFull => count == MaxReads;

    /// <summary>Adds a read that has its answer.</summary>
    public void Add(ReadCall read) => reads[count++] = read;

    /// <inheritdoc/>
    public void Execute()
    {
        link.Cork();
        try
        {
            foreach (var read in reads.AsSpan(0, count))
            {
                read.Verify();
            }
        }
        finally
        {
            link.Uncork();
            reads.AsSpan(0, count).Clear();
            Arrays.Enqueue(reads);
        }
    }
}
