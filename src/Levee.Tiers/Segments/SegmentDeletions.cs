using Levee.Tiers.Stores;

namespace Levee.Tiers.Segments;

/// <summary>Deletes objects that hold nothing any more, and whole generations. What fails is tried again.</summary>
internal sealed class SegmentDeletions(SegmentLog log, ISegmentStore store, string cacheName)
{
    private readonly Lock gate = new();
    private readonly Queue<string> names = [];

    /// <summary>Whether the store is to be searched for generations that the state does not know.</summary>
    public bool SearchesStore { get; set; }

    public int Count
    {
        get
        {
            lock (gate)
            {
                return names.Count;
            }
        }
    }

    public void Add(string name)
    {
        lock (gate)
        {
            names.Enqueue(name);
        }
    }

    /// <summary>Deletes what waits.</summary>
    /// <exception cref="IOException">The store did not answer; what is left still waits.</exception>
    public async ValueTask RunAsync(CancellationToken cancellation)
    {
        ReleaseDiscarded();
        while (TryPeek(out var name))
        {
            await DeleteAsync(name, cancellation).ConfigureAwait(false);
            lock (gate)
            {
                names.Dequeue();
            }
        }

        foreach (var generation in log.State.GivenUp)
        {
            await foreach (var left in store.ListAsync(SegmentInfo.PrefixOf(cacheName, generation), cancellation).ConfigureAwait(false))
            {
                await DeleteAsync(left.Name, cancellation).ConfigureAwait(false);
            }

            log.State.ForgetGivenUp(generation);
        }

        if (SearchesStore)
        {
            await foreach (var left in store.ListAsync(cacheName + "/", cancellation).ConfigureAwait(false))
            {
                if (!left.Name.StartsWith(SegmentInfo.PrefixOf(cacheName, log.Generation), StringComparison.Ordinal) && SegmentInfo.SequenceOf(left.Name) >= 0)
                {
                    await DeleteAsync(left.Name, cancellation).ConfigureAwait(false);
                }
            }

            SearchesStore = false;
        }
    }

    private async ValueTask DeleteAsync(string name, CancellationToken cancellation)
    {
        await store.DeleteAsync(name, cancellation).ConfigureAwait(false);
        lock (log.Gate)
        {
            log.Counters.Deletes++;
        }
    }

    private void ReleaseDiscarded()
    {
        OpenSegment[] discarded;
        VoidMap[] maps;
        lock (log.Gate)
        {
            discarded = [.. log.Discarded];
            maps = [.. log.DiscardedVoids];
            log.Discarded.Clear();
            log.DiscardedVoids.Clear();
        }

        foreach (var segment in discarded)
        {
            segment.Discard();
        }

        foreach (var map in maps)
        {
            map.Delete();
        }
    }

    private bool TryPeek(out string name)
    {
        lock (gate)
        {
            return names.TryPeek(out name!);
        }
    }
}
