using System.Text;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Testing;

/// <summary>
/// A lower tier that answers when, and in the order in which, the test says: loads wait in a list until they are completed. It never learns of writes: what it holds is what the test puts there.
/// </summary>
public sealed class FakeTier : IEffectRunner
{
    private readonly Dictionary<string, HeldEntry> entries = [];

    public List<PendingTierLoad> Pending { get; } = [];

    public List<long> Cancelled { get; } = [];

    public int Loads { get; private set; }

    public void Put(string key, string value, ulong version = 1, long expiresAt = Limits.Never, params ReadOnlySpan<string> tags) =>
        entries[key] = new HeldEntry(Encoding.UTF8.GetBytes(value), version, expiresAt, TestBed.Pack(tags));

    public void Run(IEffectHost host, int partition, Effect effect)
    {
        if (effect.Kind == EffectKind.CancelLoad)
        {
            Cancelled.Add(effect.Ticket);
            return;
        }

        Loads++;
        Pending.Add(new PendingTierLoad(host, partition, effect.Ticket, Encoding.UTF8.GetString(effect.Key.Span)));
    }

    /// <summary>Brings back the result of one of the pending loads.</summary>
    public void Complete(int index = 0, bool fails = false)
    {
        var load = Pending[index];
        Pending.RemoveAt(index);
        if (fails)
        {
            load.Host.Complete(load.Partition, load.Ticket, new LoadResult { Outcome = LoadOutcome.Failed });
        }
        else if (entries.TryGetValue(load.Key, out var entry))
        {
            load.Host.Complete(load.Partition, load.Ticket, new LoadResult
            {
                Outcome = LoadOutcome.Found,
                Entry = new TierEntry { Value = entry.Value, Version = entry.Version, ExpiresAt = entry.ExpiresAt, Tags = entry.Tags },
            });
        }
        else
        {
            load.Host.Complete(load.Partition, load.Ticket, new LoadResult { Outcome = LoadOutcome.NotFound });
        }
    }

    private sealed record HeldEntry(byte[] Value, ulong Version, long ExpiresAt, byte[] Tags);
}

public sealed record PendingTierLoad(IEffectHost Host, int Partition, long Ticket, string Key);
