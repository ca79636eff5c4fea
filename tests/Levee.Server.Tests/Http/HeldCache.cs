using System.Threading.Channels;
using Levee.Memory;
using Levee.Operations;
using Xunit;

namespace Levee.Server.Tests.Http;

/// <summary>A cache that keeps operations back, as a lower tier or a grain would, and has them answered by another thread when it is told to.</summary>
internal sealed class HeldCache(ICacheHost inner) : ICacheHost
{
    private readonly Channel<Action> held = Channel.CreateUnbounded<Action>();
    private readonly Channel<long> arrivals = Channel.CreateUnbounded<long>();

    /// <summary>Whether operations are kept back from now on.</summary>
    public bool Holds { get; set; }

    public string Name => inner.Name;

    public int PartitionCount => inner.PartitionCount;

    public int TierCount => inner.TierCount;

    public LargeValueStore LargeValues => inner.LargeValues;

    public void Submit(in Operation operation, IAnswerSink sink, long ticket)
    {
        if (!Holds)
        {
            inner.Submit(operation, sink, ticket);
            return;
        }

        var (kind, hash, partition, large, condition, version, count, number) =
            (operation.Kind, operation.Hash, operation.Partition, operation.Large, operation.Condition, operation.Version, operation.Count, operation.Number);
        var (key, value) = (operation.Key.ToArray(), operation.Value.ToArray());
        held.Writer.TryWrite(() => inner.Submit(
            new Operation { Kind = kind, Key = key, Hash = hash, Partition = partition, Value = value, Large = large, Condition = condition, Version = version, Count = count, Number = number },
            sink, ticket));
        arrivals.Writer.TryWrite(ticket);
    }

    public void Flush(IAnswerSink sink)
    {
    }

    /// <summary>Waits until so many operations have come.</summary>
    public async Task ArrivedAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            await arrivals.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Has everything answered that is held, by a thread of its own.</summary>
    public async Task ReleaseAsync()
    {
        await Task.Factory.StartNew(
            () =>
            {
                while (held.Reader.TryRead(out var submit))
                {
                    submit();
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }
}
