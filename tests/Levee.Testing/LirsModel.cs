namespace Levee.Testing;

/// <summary>
/// LIRS as its paper tells it (Jiang and Zhang, SIGMETRICS '02), slow: the stack S is a list that is pruned step by step, and weights are summed anew each time. What the paper leaves open
/// (weights, the bound on non-resident entries, how much one call does) follows the documentation of Levee's policy.
/// </summary>
public sealed class LirsModel(long capacity)
{
    private const int Few = 16;

    private readonly Dictionary<ulong, int> weights = [];
    private readonly HashSet<ulong> lir = [];
    private readonly HashSet<ulong> atBottom = [];
    private ulong? spared;
    private int staleLeft;

    public long Capacity { get; set; } = capacity;

    public long Reserved { get; set; }

    /// <summary>The stack S, its bottom first: LIR, HIR and what is not resident.</summary>
    public List<ulong> S { get; } = [];

    /// <summary>The queue of resident HIR entries, the next victim first.</summary>
    public List<ulong> Q { get; } = [];

    /// <summary>What is remembered without being resident, the first to be forgotten first. What has left S is as good as unknown.</summary>
    public List<ulong> N { get; } = [];

    /// <summary>The LIR entries, the bottom first.</summary>
    public IEnumerable<ulong> Lir => S.Where(lir.Contains);

    /// <summary>How often each case was reached.</summary>
    public Dictionary<string, int> Reached { get; } = [];

    public long LowestCapacity => Math.Max(Residents, (All + 2) / 3);

    private long Llirs => Capacity - Reserved - Math.Max(1, (Capacity - Reserved) / 100);

    private long LirWeight => WeightOf(lir);

    private long Residents => LirWeight + WeightOf(Q);

    private long All => Residents + WeightOf(N);

    public long WeightOf(IEnumerable<ulong> keys) => keys.Sum(key => (long)weights[key]);

    public bool IsResident(ulong key) => lir.Contains(key) || Q.Contains(key);

    public bool IsKnown(ulong key) => IsResident(key) || N.Contains(key);

    /// <summary>A read, followed by a store where it missed.</summary>
    public bool Access(ulong key, int weight)
    {
        if (IsResident(key))
        {
            Hit(key);
            return true;
        }

        var wasInStack = S.Contains(key);
        var wasStale = N.Contains(key) && !wasInStack;
        var hasRoom = Residents + weight <= Llirs;
        Reach(wasInStack ? "ghost in S" : wasStale ? "ghost out of S" : hasRoom ? "fresh, LIR has room" : "fresh");
        N.Remove(key);
        Leave(key);
        spared = null;
        staleLeft = Few;
        Forget(weight);
        while (Residents + weight + Reserved > Capacity)
        {
            Evict();
        }

        weights[key] = weight;
        S.Add(key);
        if (wasInStack || hasRoom)
        {
            lir.Add(key);
            Demote();
        }
        else
        {
            Q.Add(key);
        }

        Prune();
        return false;
    }

    public void Overwrite(ulong key, int weight)
    {
        Hit(key);
        weights[key] = weight;
        spared = key;
        Demote();
        while (Residents + Reserved > Capacity)
        {
            Evict();
        }

        Forget(0);
    }

    public void Evict()
    {
        if (Q.Count > 0 && (Q[0] != spared || lir.Count == 0))
        {
            var victim = Q[0];
            Q.RemoveAt(0);
            if (S.Contains(victim))
            {
                Reach("Q to N");
                N.Add(victim);
            }
            else
            {
                Reach("Q, no ghost");
            }

            Unspare(victim);
        }
        else if (lir.Count > 0)
        {
            Reach(Q.Count > 0 ? "resized entry spared" : "LIR leaves");
            Remove(Lir.First());
        }
    }

    public void ForgetAny()
    {
        if (N.Count > 0)
        {
            Reach("ghost given up");
            Remove(N[0]);
        }
    }

    public void Remove(ulong key)
    {
        Q.Remove(key);
        N.Remove(key);
        Leave(key);
        lir.Remove(key);
        Unspare(key);
        Prune();
    }

    /// <summary>The owner's way to a smaller capacity, or to a larger one at once.</summary>
    public void ChangeCapacity(long wanted)
    {
        while (Residents > wanted)
        {
            Evict();
        }

        while (All > 3 * wanted)
        {
            Remove(N[0]);
        }

        Capacity = wanted;
    }

    /// <summary>An entry or ghost that comes from the same policy elsewhere, where there is room.</summary>
    public bool TryImport(ulong key, int home, int weight)
    {
        if (All + weight > 3 * Capacity || (home < 3 && Residents + weight > Capacity))
        {
            return false;
        }

        Reach($"import to {home}");
        weights[key] = weight;
        switch (home)
        {
            case 1:
                atBottom.UnionWith(Lir.Take(1));
                atBottom.Add(key);
                S.Insert(0, key);
                lir.Add(key);
                break;
            case 2:
                Q.Insert(0, key);
                break;
            default:
                // Just into S: above the bottom, and above all that was imported below it.
                var place = S.TakeWhile((other, i) => (i == 0 && lir.Contains(other)) || atBottom.Contains(other)).Count();
                S.Insert(place, key);
                N.Insert(0, key);
                break;
        }

        return true;
    }

    private void Hit(ulong key)
    {
        var wasInStack = S.Contains(key);
        Reach(lir.Contains(key) ? "hit in LIR" : wasInStack ? "hit in Q and S" : "hit in Q");
        Leave(key);
        S.Add(key);
        if (Q.Remove(key))
        {
            if (wasInStack)
            {
                lir.Add(key);
                Demote();
            }
            else
            {
                Q.Add(key);
            }
        }

        Prune();
    }

    private void Demote()
    {
        for (var i = 0; i < Few && LirWeight > Llirs && lir.Count > 1; i++)
        {
            Reach("demoted");
            var bottom = Lir.First();
            lir.Remove(bottom);
            Leave(bottom);
            Q.Add(bottom);
            Prune();
        }
    }

    // Without an LIR entry there is no bottom, and nothing to prune.
    private void Prune()
    {
        while (lir.Count > 0 && !lir.Contains(S[0]))
        {
            Leave(S[0]);
        }
    }

    private void Forget(int arriving)
    {
        while (N.Count > 0 && All + arriving > 3 * Capacity)
        {
            Reach("all over the bound");
            Remove(N[0]);
        }

        while (N.Count > 0 && staleLeft > 0 && !S.Contains(N[0]))
        {
            Reach("stale ghost forgotten");
            staleLeft--;
            N.RemoveAt(0);
            if (staleLeft == 0)
            {
                Reach("not all stale ghosts forgotten at once");
            }
        }
    }

    private void Leave(ulong key)
    {
        S.Remove(key);
        atBottom.Remove(key);
    }

    private void Unspare(ulong key)
    {
        if (spared == key)
        {
            spared = null;
        }
    }

    private void Reach(string what) => Reached[what] = Reached.GetValueOrDefault(what) + 1;
}
