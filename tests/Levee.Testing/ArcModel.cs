namespace Levee.Testing;

/// <summary>
/// The equations in the documentation of Levee's ARC policy, read aloud: slow, with linked lists of keys and sums computed anew each time.
/// Written from the equations and from the paper (Megiddo and Modha, FAST '03), not from the policy's code.
/// </summary>
public sealed class ArcModel(long capacity)
{
    private readonly Dictionary<ulong, int> weights = [];
    private ulong? spared;

    // The ends of the paper's lists: First is LRU, Last is MRU.
    public LinkedList<ulong> T1 { get; } = [];

    public LinkedList<ulong> T2 { get; } = [];

    public LinkedList<ulong> B1 { get; } = [];

    public LinkedList<ulong> B2 { get; } = [];

    /// <summary>p.</summary>
    public double P { get; private set; }

    /// <summary>How often each case of the algorithm was reached, so that a test can tell that its generator is not empty.</summary>
    public Dictionary<string, int> Reached { get; } = [];

    public long WeightOf(LinkedList<ulong> list) => list.Sum(key => (long)weights[key]);

    public int WeightOf(ulong key) => weights[key];

    public bool IsResident(ulong key) => T1.Contains(key) || T2.Contains(key);

    public bool IsGhost(ulong key) => B1.Contains(key) || B2.Contains(key);

    /// <summary>A read, followed by a store where it missed. Extra evictions are what an owner short of memory adds.</summary>
    public bool Access(ulong key, int weight, int extraEvictions = 0)
    {
        // Case I.
        if (IsResident(key))
        {
            Reach(T1.Contains(key) ? "hit in T1" : "hit in T2");
            Hit(key);
            return true;
        }

        var wasInB1 = B1.Contains(key);
        var wasInB2 = B2.Contains(key);
        double w = weight;
        if (wasInB1)
        {
            // Case II.
            Reach("ghost in B1");
            P = Math.Min(capacity, P + (Math.Max(1.0, (double)WeightOf(B2) / WeightOf(B1)) * w));
            B1.Remove(key);
        }
        else if (wasInB2)
        {
            // Case III.
            Reach("ghost in B2");
            P = Math.Max(0, P - (Math.Max(1.0, (double)WeightOf(B1) / WeightOf(B2)) * w));
            B2.Remove(key);
        }
        else
        {
            // Case IV.
            Reach("fresh");
        }

        spared = null;
        weights[key] = weight;
        var fresh = !wasInB1 && !wasInB2;
        var w1 = fresh ? weight : 0;
        var w2 = fresh ? 0 : weight;
        Forget(w1, w2);
        while (WeightOf(T1) + WeightOf(T2) + weight > capacity)
        {
            Replace(w1, wasInB2);
        }

        for (var i = 0; i < extraEvictions && T1.Count + T2.Count > 0; i++)
        {
            Reach("extra eviction");
            Replace(w1, wasInB2);
        }

        (fresh ? T1 : T2).AddLast(key);
        return false;
    }

    /// <summary>A write over a resident: a hit, then another weight.</summary>
    public void Overwrite(ulong key, int weight)
    {
        Hit(key);
        Reach(weight > weights[key] ? "grown" : "shrunk or same");
        weights[key] = weight;
        spared = key;
        while (WeightOf(T1) + WeightOf(T2) > capacity)
        {
            Replace(0, wasInB2: false);
        }

        Forget(0, 0);
    }

    /// <summary>An owner short of memory takes a victim without an arrival.</summary>
    public void Evict()
    {
        if (T1.Count + T2.Count > 0)
        {
            Reach("eviction without arrival");
            Replace(0, wasInB2: false);
        }
    }

    /// <summary>An owner short of nodes takes a ghost.</summary>
    public void ForgetAny()
    {
        var list = WeightOf(B1) >= WeightOf(B2) ? B1 : B2;
        if (list.Count > 0)
        {
            Reach(list == B1 ? "ghost of B1 given up" : "ghost of B2 given up");
            weights.Remove(list.First!.Value);
            list.RemoveFirst();
        }
    }

    public void Remove(ulong key)
    {
        _ = T1.Remove(key) || T2.Remove(key) || B1.Remove(key) || B2.Remove(key);
        weights.Remove(key);
        if (spared == key)
        {
            spared = null;
        }
    }

    private void Hit(ulong key)
    {
        _ = T1.Remove(key) || T2.Remove(key);
        T2.AddLast(key);
    }

    private void Forget(int w1, int w2)
    {
        while (WeightOf(T1) + WeightOf(B1) + w1 > capacity && B1.Count > 0)
        {
            Reach("B1 over its bound");
            ForgetFirst(B1);
        }

        while (Math.Min(capacity, WeightOf(T1) + WeightOf(B1) + w1) + WeightOf(T2) + WeightOf(B2) + w2 > 2 * capacity)
        {
            Reach(B2.Count > 0 ? "B2 over the bound of all" : "B1 over the bound of all");
            ForgetFirst(B2.Count > 0 ? B2 : B1);
        }
    }

    private void Replace(int w1, bool wasInB2)
    {
        var overTarget = WeightOf(T1) > P || (wasInB2 && WeightOf(T1) >= P);
        if (wasInB2 && WeightOf(T1) == P && T1.Count > 0 && T2.Count > 0)
        {
            Reach("|T1| = p decides for a ghost of B2");
        }

        var mustSpare = T2.Count > 0 && T2.First!.Value == spared;
        if (T1.Count > 0 && mustSpare && !overTarget)
        {
            Reach("resized entry spared");
        }

        if (T1.Count > 0 && (overTarget || T2.Count == 0 || mustSpare))
        {
            var victim = T1.First!.Value;
            if (B1.Count == 0 && WeightOf(T1) + w1 > capacity)
            {
                Reach("eviction without a ghost");
                T1.RemoveFirst();
                weights.Remove(victim);
            }
            else
            {
                Reach("T1 to B1");
                T1.RemoveFirst();
                B1.AddLast(victim);
            }
        }
        else
        {
            Reach("T2 to B2");
            var victim = T2.First!.Value;
            T2.RemoveFirst();
            B2.AddLast(victim);
            if (victim == spared)
            {
                spared = null;
            }
        }
    }

    private void ForgetFirst(LinkedList<ulong> list)
    {
        weights.Remove(list.First!.Value);
        list.RemoveFirst();
    }

    private void Reach(string what) => Reached[what] = Reached.GetValueOrDefault(what) + 1;
}
