namespace Levee.Tests.Eviction;

/// <summary>S3-FIFO as its documentation has it, read aloud: lists of keys and sums computed anew each time. Not written from the policy's code.</summary>
internal sealed class S3FifoModel(long capacity)
{
    private readonly Dictionary<ulong, int> weights = [];
    private readonly Dictionary<ulong, int> uses = [];
    private long c = capacity;
    private ulong? spared;

    // First is the head, where entries leave.
    public List<ulong> S { get; } = [];

    public List<ulong> M { get; } = [];

    public List<ulong> G { get; } = [];

    /// <summary>How often each case was reached.</summary>
    public Dictionary<string, int> Reached { get; } = [];

    public bool IsResident(ulong key) => S.Contains(key) || M.Contains(key);

    public bool IsKnown(ulong key) => IsResident(key) || G.Contains(key);

    public bool Access(ulong key, int weight, int extraEvictions = 0, long reserved = 0)
    {
        if (IsResident(key))
        {
            Use(key);
            return true;
        }

        var returns = G.Contains(key);
        if (returns && G[0] == key && Weigh(G) > c - (c / 10))
        {
            Reach("ghost too late");
            returns = false;
        }

        Reach(returns ? "ghost" : "fresh");
        G.Remove(key);
        weights[key] = weight;
        uses[key] = 0;
        spared = null;
        Forget();
        while (Weigh(S) + Weigh(M) + weight + reserved > c)
        {
            Evict();
        }

        for (var i = 0; i < extraEvictions; i++)
        {
            Evict();
        }

        (returns ? M : S).Add(key);
        return false;
    }

    public void Overwrite(ulong key, int weight)
    {
        Use(key);
        weights[key] = weight;
        spared = key;
        while (Weigh(S) + Weigh(M) > c)
        {
            Evict();
        }

        Forget();
    }

    public void Evict()
    {
        while (true)
        {
            var s = S.Where(key => key != spared).ToList();
            var m = M.Where(key => key != spared).ToList();
            if (s.Count > 0 && (Weigh(S) >= c / 10 || m.Count == 0))
            {
                var x = s[0];
                Pass(S, x);
                if (uses[x] >= 2)
                {
                    Reach("S to M");
                    S.Remove(x);
                    M.Add(x);
                    uses[x] = 0;
                    continue;
                }

                Reach("S to G");
                S.Remove(x);
                G.Add(x);
                uses[x] = 0;
                return;
            }

            if (m.Count > 0)
            {
                var x = m[0];
                Pass(M, x);
                M.Remove(x);
                if (uses[x] >= 1)
                {
                    Reach("M to M");
                    uses[x]--;
                    M.Add(x);
                    continue;
                }

                Reach("M leaves");
                return;
            }

            // Nobody is left but the one to be spared.
            if (S.Count > 0)
            {
                Reach("the spared one leaves");
                uses[S[0]] = 0;
                G.Add(S[0]);
            }

            S.Clear();
            M.Clear();
            spared = null;
            return;
        }
    }

    public void ForgetAny()
    {
        if (G.Count > 0)
        {
            Reach("ghost given up");
            G.RemoveAt(0);
        }
    }

    public void Remove(ulong key)
    {
        _ = S.Remove(key) || M.Remove(key) || G.Remove(key);
        spared = spared == key ? null : spared;
    }

    public void ChangeCapacity(long changed)
    {
        while (Weigh(S) + Weigh(M) > changed)
        {
            Evict();
        }

        while (Weigh(G) > changed - (changed / 10))
        {
            Reach("ghost beyond");
            G.RemoveAt(0);
        }

        c = changed;
    }

    public bool TryImport(ulong key, int place, int weight)
    {
        var fits = place == 3 ? Weigh(G) + weight <= c - (c / 10) : Weigh(S) + Weigh(M) + weight <= c;
        if (fits)
        {
            Reach("imported");
            weights[key] = weight;
            uses[key] = 0;
            new[] { S, M, G }[place - 1].Insert(0, key);
        }

        return fits;
    }

    private void Use(ulong key)
    {
        Reach(S.Contains(key) ? "hit in S" : "hit in M");
        uses[key] = Math.Min(3, uses[key] + 1);
    }

    private void Forget()
    {
        while (Weigh(G) > c - (c / 10))
        {
            Reach("ghost over the bound");
            G.RemoveAt(0);
        }
    }

    private void Pass(List<ulong> list, ulong victim)
    {
        if (list[0] != victim)
        {
            Reach("resized entry spared");
        }
    }

    private long Weigh(List<ulong> list) => list.Sum(key => (long)weights[key]);

    private void Reach(string what) => Reached[what] = Reached.GetValueOrDefault(what) + 1;
}
