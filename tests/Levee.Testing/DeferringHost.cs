using Levee.Memory;
using Levee.Operations;

namespace Levee.Testing;

/// <summary>
/// A cache that answers as partitions on other machines would: nothing before Flush, then from another thread, in any order. Operations still take effect in the order of submission.
/// </summary>
public sealed class DeferringHost(ICacheHost inner, int seed = 1) : ICacheHost
{
    private readonly Random random = new(seed);
    private readonly List<Held> submitted = [];
    private readonly List<Held> flushed = [];

    /// <summary>Whether answers are kept back; else the cache behind answers at once.</summary>
    public bool Defers { get; set; } = true;

    /// <summary>Operations on these keys are not carried out and fail.</summary>
    public HashSet<string> FailingKeys { get; } = [];

    /// <summary>Answers that wait for <see cref="Deliver"/>.</summary>
    public int Waiting => flushed.Count;

    public string Name => inner.Name;

    public int PartitionCount => inner.PartitionCount;

    public LargeValueStore LargeValues => inner.LargeValues;

    public int TierCount => inner.TierCount;

    /// <summary>The cache's own, unless a test puts another one here.</summary>
    public IPrefetchControl? Prefetching { get => field ?? inner.Prefetching; set; }

    public bool IsCommitted => inner.IsCommitted;

    public ValueTask CommitAsync() => inner.CommitAsync();

    public string? DescribeFailure(int partition) =>
        FailingKeys.Count > 0 ? $"the silo of partition {partition} did not answer within 1000 ms" : inner.DescribeFailure(partition);

    public void Submit(in Operation operation, IAnswerSink sink, long ticket)
    {
        if (!Defers)
        {
            inner.Submit(operation, sink, ticket);
            return;
        }

        var held = new Held(sink, ticket);
        if (FailingKeys.Contains(System.Text.Encoding.UTF8.GetString(operation.Key)))
        {
            held.Answer(ticket, new Answer(Outcome.Unavailable));
        }
        else
        {
            inner.Submit(operation, held, ticket);
        }

        submitted.Add(held);
    }

    public void Flush(IAnswerSink sink)
    {
        flushed.AddRange(submitted.Where(held => held.Sink == sink));
        submitted.RemoveAll(held => held.Sink == sink);
    }

    /// <summary>Delivers what waits, from a thread of its own, in any order.</summary>
    public void Deliver(int count = int.MaxValue)
    {
        var chosen = flushed.ToArray();
        random.Shuffle(chosen);
        chosen = chosen[..Math.Min(count, chosen.Length)];
        flushed.RemoveAll(chosen.Contains);
        var thread = new Thread(() =>
        {
            foreach (var held in chosen)
            {
                held.Deliver();
            }
        });
        thread.Start();
        thread.Join();
    }

    private sealed class Held(IAnswerSink sink, long ticket) : IAnswerSink
    {
        private readonly List<AnswerCopy> copies = [];

        public IAnswerSink Sink => sink;

        public void Answer(long answered, in Answer answer) => copies.Add(new AnswerCopy(answer));

        public void Deliver()
        {
            foreach (var copy in copies)
            {
                sink.Answer(ticket, copy.Answer);
                copy.Dispose();
            }
        }
    }
}
