using Levee.Eviction;
using Levee.Memory;
using Levee.Operations;

// Bansal and Modha, FAST '04, figure 2. Reference bit = high bit of Home.
internal sealed class CarPolicy(NodeTable nodes, long capacity) : EvictionPolicy(nodes, capacity)
{
    const byte Ref = 0x80;
    static readonly int Bound = int.Parse(Environment.GetEnvironmentVariable("BOUND") ?? "2147483647");
    private readonly NodeList t1 = new(nodes, 1, "T1", false), t2 = new(nodes, 2, "T2", false), b1 = new(nodes, 3, "B1", true), b2 = new(nodes, 4, "B2", true);
    private double p; private int from;
    public override string Name => "car";
    public override long ResidentWeight => t1.Weight + t2.Weight;
    public override bool IsResident(int node) => (Nodes[node].Home & 0x7f) - 1u < 2u;
    public override void Hit(int node) => Nodes[node].Home |= Ref;
    public override void Arrive(int node, int weight)
    {
        from = Nodes[node].Home;
        if (from == 3) b1.Remove(node); else if (from == 4) b2.Remove(node);
        Nodes[node].Weight = weight; ArrivingWeight = weight;
    }
    // Called after Evict: figure 2 lines 6 to 10 come after replace().
    public override int Forget()
    {
        if (from != 0) return NodeTable.None;
        if (t1.Weight + b1.Weight + ArrivingWeight > Capacity && b1.Count > 0) return b1.TakeLeastRecent();
        if (t1.Weight + t2.Weight + b1.Weight + b2.Weight + ArrivingWeight > 2 * Capacity) return b2.Count > 0 ? b2.TakeLeastRecent() : b1.TakeLeastRecent();
        return NodeTable.None;
    }
    public override int ForgetAny() => b1.TakeLeastRecent();
    public override int Evict()
    {
        for (var step = 0; ; step++)
        {
            if (t1.Count > 0 && t1.Weight >= Math.Max(1, p) || t2.Count == 0)
            {
                if (t1.Count == 0) return NodeTable.None;
                var head = t1.LeastRecent;
                var used = Clear(head) && step < Bound;
                t1.Remove(head);
                if (!used) { b1.Append(head); return head; }
                t2.Append(head);
            }
            else
            {
                var head = t2.LeastRecent;
                if (!Clear(head) || step >= Bound) { t2.Remove(head); b2.Append(head); return head; }
                t2.Refresh(head);
            }
        }
    }
    private bool Clear(int node) { ref var n = ref Nodes[node]; var was = (n.Home & Ref) != 0; n.Home &= 0x7f; return was; }
    public override void Admit(int node)
    {
        var w = ArrivingWeight;
        if (from == 0) t1.Append(node);
        else
        {
            // The ghost's own weight still counts in the paper's ratio.
            if (from == 3) p = Math.Min(Capacity, p + Math.Max(1, (double)b2.Weight / (b1.Weight + w)) * w);
            else p = Math.Max(0, p - Math.Max(1, (double)b1.Weight / (b2.Weight + w)) * w);
            t2.Append(node);
        }
        ArrivingWeight = 0; from = 0;
    }
    public override void Remove(int node) => throw new NotSupportedException();
    public override void Resize(int node, int weight) => throw new NotSupportedException();
    public override IReadOnlyList<ListStatistics> Lists(int u) => [t1.Statistics(u), t2.Statistics(u), b1.Statistics(u), b2.Statistics(u)];
    public override void CheckInvariants() { }
}
