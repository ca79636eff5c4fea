using System.Text;
using Levee.Keys;
using Levee.Partitions;

namespace Levee.Orleans.Tests;

/// <summary>A lower tier that holds the keys item:0, item:1, ... and brings them from another thread. Safe for threads.</summary>
internal sealed class NumberedTier(int count) : ScriptedTier
{
    private readonly Dictionary<ulong, byte[]> keys = Enumerable.Range(0, count).Select(static i => Encoding.UTF8.GetBytes($"item:{i}")).ToDictionary(static key => KeyHash.Of(key));

    public override bool MayHold(ulong hash) => keys.ContainsKey(hash);

    protected override void Load(IEffectHost host, int partition, Effect effect) =>
        ThreadPool.QueueUserWorkItem(_ => host.Complete(
            partition,
            effect.Ticket,
            keys.TryGetValue(effect.Hash, out var key) ? Found(key, effect.Hash, key) : new LoadResult { Outcome = LoadOutcome.NotFound }));
}
