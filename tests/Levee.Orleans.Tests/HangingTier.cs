using System.Text;
using Levee.Keys;
using Levee.Partitions;

namespace Levee.Orleans.Tests;

/// <summary>A lower tier that may hold one key, whose loads wait until the test lets them go. Safe for threads.</summary>
internal sealed class HangingTier(string key) : ScriptedTier
{
    private readonly ulong held = KeyHash.Of(Encoding.UTF8.GetBytes(key));
    private readonly List<(IEffectHost Host, int Partition, long Ticket)> loads = [];

    /// <summary>Loads that wait.</summary>
    public int Waiting
    {
        get
        {
            lock (loads)
            {
                return loads.Count;
            }
        }
    }

    /// <summary>Answers all loads that wait: there is such an entry.</summary>
    public void Release(byte[] value)
    {
        (IEffectHost Host, int Partition, long Ticket)[] released;
        lock (loads)
        {
            released = [.. loads];
            loads.Clear();
        }

        foreach (var load in released)
        {
            load.Host.Complete(load.Partition, load.Ticket, Found(Encoding.UTF8.GetBytes(key), held, value));
        }
    }

    public override bool MayHold(ulong hash) => hash == held;

    protected override void Load(IEffectHost host, int partition, Effect effect)
    {
        lock (loads)
        {
            loads.Add((host, partition, effect.Ticket));
        }
    }
}
