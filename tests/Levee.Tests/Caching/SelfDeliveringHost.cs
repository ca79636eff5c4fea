using Levee.Memory;
using Levee.Operations;
using Levee.Testing;

namespace Levee.Tests.Caching;

/// <summary>A deferring host that delivers soon after each flush. It is held while it delivers: whoever is continued there and calls it from that thread's wait would hang.</summary>
internal sealed class SelfDeliveringHost(DeferringHost inner) : ICacheHost
{
    private readonly Lock gate = new();

    public string Name => inner.Name;

    public int PartitionCount => inner.PartitionCount;

    public LargeValueStore LargeValues => inner.LargeValues;

    public void Submit(in Operation operation, IAnswerSink sink, long ticket)
    {
        lock (gate)
        {
            inner.Submit(operation, sink, ticket);
        }
    }

    public void Flush(IAnswerSink sink)
    {
        lock (gate)
        {
            inner.Flush(sink);
        }

        ThreadPool.QueueUserWorkItem(static host => host.Deliver(), this, preferLocal: false);
    }

    private void Deliver()
    {
        lock (gate)
        {
            inner.Deliver();
        }
    }
}
