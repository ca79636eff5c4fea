using Levee.Learning;
using Levee.Operations;

namespace Levee.Orleans.Silo;

/// <summary>A prefetcher that somebody else has written: where it fails, what it was told is not learnt, and nothing else happens.</summary>
internal sealed class GuardedPrefetcher(IPrefetcher prefetcher, Action<Exception> failed) : IPrefetcher
{
    public PrefetchStatistics Statistics => prefetcher.Statistics;

    public void SetCapacity(int capacity)
    {
        try
        {
            prefetcher.SetCapacity(capacity);
        }
        catch (Exception failure)
        {
            failed(failure);
        }
    }

    public void Observe(scoped AccessBatchReader batch, long now, bool isPrompt)
    {
        try
        {
            prefetcher.Observe(batch, now, isPrompt);
        }
        catch (Exception failure)
        {
            failed(failure);
        }
    }

    public bool TryPredict(Span<byte> key, out Prediction prediction)
    {
        try
        {
            return prefetcher.TryPredict(key, out prediction);
        }
        catch (Exception failure)
        {
            failed(failure);
            prediction = default;
            return false;
        }
    }

    public bool IsWanted(ulong id)
    {
        try
        {
            return prefetcher.IsWanted(id);
        }
        catch (Exception failure)
        {
            failed(failure);
            return true;
        }
    }

    public void Ended(ulong id, PrefetchOutcome outcome, long latency)
    {
        try
        {
            prefetcher.Ended(id, outcome, latency);
        }
        catch (Exception failure)
        {
            failed(failure);
        }
    }
}
