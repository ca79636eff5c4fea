using Levee.Eviction;
using Levee.Learning;
using Levee.Memory;

namespace Levee.Tests.Eviction;

/// <summary>
/// W-TinyLFU as its documentation has it, read aloud: lists of keys and sums computed anew each time. Not written from the policy's code. How often a key was seen lately a sketch of
/// its own tells it, which has tests of its own; the walk of the climber is written out here.
/// </summary>
internal sealed class TinyLfuModel : IDisposable
{
    private readonly Dictionary<ulong, int> weights = [];
    private readonly PageArena arena = new(1 << 20);
    private readonly FrequencySketch sketch;
    private long c;
    private long granted;
    private long toMove;
    private uint chance = 1;
    private ulong? spared;
    private double d = -0.0625;
    private double ratioBefore;
    private long sampleHits;
    private long sample;

    public TinyLfuModel(long capacity)
    {
        c = capacity;
        sketch = new FrequencySketch(new PageShare(arena, 1 << 20));
        U = FirstWindow;
    }

    // First is LRU.
    public List<ulong> W { get; } = [];

    public List<ulong> P { get; } = [];

    public List<ulong> T { get; } = [];

    /// <summary>u.</summary>
    public double U { get; private set; }

    /// <summary>How often each case was reached.</summary>
    public Dictionary<string, int> Reached { get; } = [];

    private long FirstWindow => c - (long)(0.99 * c);

    private long MostWindow => FirstWindow + (long)(0.8 * (c - FirstWindow));

    private long MostProtected => MostWindow - (long)U;

    private long All => Weigh(W) + Weigh(P) + Weigh(T);

    public bool IsResident(ulong key) => W.Contains(key) || P.Contains(key) || T.Contains(key);

    public bool Access(ulong key, int weight, int extraEvictions = 0, long reserved = 0)
    {
        if (IsResident(key))
        {
            Use(key);
            return true;
        }

        // Arrive.
        var entries = (long)((double)c * (W.Count + P.Count + T.Count + 1) / (All + weight));
        sketch.Serve(W.Count + P.Count + T.Count + 1, entries);
        sketch.Count(Tag(key));
        sample++;
        if (sample >= 10 * entries)
        {
            Climb();
        }

        Balance();
        weights[key] = weight;
        spared = null;
        while (All + weight + reserved > c)
        {
            Evict(weight);
        }

        for (var i = 0; i < extraEvictions; i++)
        {
            Evict(weight);
        }

        // Admit.
        for (var i = 0; i < 64 && toMove >= 0 && W.Count > 0 && Weigh(W) + weight > (long)U; i++)
        {
            Reach("let in, as there is room");
            MoveFirst(W, P);
        }

        W.Add(key);
        granted = 0;
        return false;
    }

    public void Overwrite(ulong key, int weight)
    {
        Use(key);
        weights[key] = weight;
        spared = key;
        granted = 0;
        Demote();
        while (All > c)
        {
            Evict(0);
        }
    }

    public void Evict() => Evict(0);

    public void Remove(ulong key)
    {
        _ = W.Remove(key) || P.Remove(key) || T.Remove(key);
        spared = spared == key ? null : spared;
    }

    public void ChangeCapacity(long changed)
    {
        while (All > changed)
        {
            Evict(0);
        }

        var part = U / c;
        c = changed;
        U = Math.Clamp(part * c, 1, MostWindow);
    }

    public bool TryImport(ulong key, int place, int weight)
    {
        if (All + weight > c)
        {
            return false;
        }

        Reach("imported");
        weights[key] = weight;
        new[] { W, P, T }[place - 1].Insert(0, key);
        return true;
    }

    public void Dispose() => arena.Dispose();

    private static uint Tag(ulong key) => PolicySimulation.TagOf(key);

    private void Use(ulong key)
    {
        sketch.Count(Tag(key));
        sample++;
        sampleHits++;
        if (W.Remove(key))
        {
            Reach("hit in W");
            W.Add(key);
        }
        else if (T.Remove(key))
        {
            Reach("hit in T");
            T.Add(key);
        }
        else
        {
            Reach("hit in P");
            P.Remove(key);
            T.Add(key);
            Demote();
        }
    }

    private void Demote()
    {
        for (var i = 0; i < 64 && T.Count > 0 && Weigh(T) > MostProtected; i++)
        {
            Reach("demoted");
            MoveFirst(T, P);
        }
    }

    private void Climb()
    {
        var ratio = (double)sampleHits / sample;
        d = ratio < ratioBefore ? -d : d;
        Reach(d > 0 ? "climb up" : "climb down");
        var before = (long)U;
        U = Math.Clamp(U + (d * c), 1, MostWindow);
        toMove = (long)U - before;
        d = Math.Abs(ratio - ratioBefore) >= 0.05 ? Math.Sign(d) * 0.0625 : d * 0.98;
        ratioBefore = ratio;
        sample = sampleHits = 0;
    }

    private void Balance()
    {
        for (var i = 0; i < 64 && toMove != 0; i++)
        {
            Demote();
            var from = toMove > 0 ? P : W;
            if (from.Count == 0)
            {
                toMove = 0;
                return;
            }

            var x = from[0];
            from.RemoveAt(0);
            if (toMove > 0)
            {
                Reach("window grows");
                W.Add(x);
                toMove = Math.Max(0, toMove - weights[x]);
            }
            else
            {
                Reach("window shrinks");
                P.Insert(0, x);
                toMove = Math.Min(0, toMove + weights[x]);
            }
        }
    }

    private void Evict(int arriving)
    {
        var candidates = W.Where(key => key != spared).ToList();
        if (granted <= 0 && Weigh(W) + arriving > (long)U && candidates.Count > 0)
        {
            var x = candidates[0];
            W.Remove(x);
            if (IsLetIn(x))
            {
                granted = weights[x];
                EvictOldest();
                P.Add(x);
            }

            return;
        }

        EvictOldest();
    }

    private void EvictOldest()
    {
        foreach (var list in new[] { P, T, W })
        {
            foreach (var x in list)
            {
                if (x != spared)
                {
                    Reach(list == P ? "P gives" : list == T ? "T gives" : "W gives");
                    list.Remove(x);
                    granted -= weights[x];
                    return;
                }

                Reach("resized entry spared");
            }
        }

        if (spared is { } last)
        {
            Reach("the spared one leaves");
            Remove(last);
        }
    }

    private bool IsLetIn(ulong x)
    {
        var main = P.Concat(T).ToList();
        if (main.All(key => key == spared))
        {
            return false;
        }

        var uses = sketch.Estimate(Tag(x));
        var v = new List<ulong>();
        while (v.Count < main.Count && v.Count < 16 && v.Sum(key => weights[key]) < weights[x])
        {
            v.Add(main[v.Count]);
        }

        double theirs = v.Sum(key => sketch.Estimate(Tag(key)));
        var theirWeight = v.Sum(key => weights[key]);
        if (theirWeight < weights[x])
        {
            Reach("too many to look at");
            theirs = theirs < uses ? theirs / theirWeight * weights[x] : theirs;
        }

        if (uses > theirs)
        {
            Reach(v.Count > 1 ? "beats many" : "beats one");
            return true;
        }

        Reach("loses");
        return uses >= 6 && IsLucky();
    }

    private bool IsLucky()
    {
        chance ^= chance << 13;
        chance ^= chance >> 17;
        chance ^= chance << 5;
        if (chance % 128 == 0)
        {
            Reach("lucky");
        }

        return chance % 128 == 0;
    }

    private static void MoveFirst(List<ulong> from, List<ulong> to)
    {
        to.Add(from[0]);
        from.RemoveAt(0);
    }

    private long Weigh(List<ulong> list) => list.Sum(key => (long)weights[key]);

    private void Reach(string what) => Reached[what] = Reached.GetValueOrDefault(what) + 1;
}
