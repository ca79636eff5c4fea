using System.Diagnostics;
using System.IO.Compression;
using System.Runtime.CompilerServices;
using Levee.Eviction;
using Levee.Memory;

if (args[0] == "req") { Bench.Requests(); return; }
if (args[0] == "sweep") { Bench.Sweep(); return; }
if (args[0] == "ns") { Bench.Run(); return; }

static ulong[] ReadTrace(string path)
{
    var lis = path.Contains(".lis");
    var keys = new List<ulong>();
    using var r = new StreamReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
    while (r.ReadLine() is { } line)
    {
        var p = line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (p.Length == 0) continue;
        if (!ulong.TryParse(p[0], out var start)) start = (ulong)p[0].GetHashCode();
        if (!lis) { keys.Add(start); continue; }
        var n = int.Parse(p[1]);
        for (var i = 0; i < n; i++) keys.Add(start + (ulong)i);
    }
    return [.. keys];
}
static (long hits, double s) Sim(string name, int c, int[] ids, int unique)
{
    using var arena = new PageArena(long.MaxValue);
    var nodes = new NodeTable(new PageShare(arena, long.MaxValue));
    var car = name == "car";
    EvictionPolicy policy = car ? new CarPolicy(nodes, c) : Policies.Create(name, nodes, c);
    var nodeOf = new int[unique]; Array.Fill(nodeOf, -1);
    var keyOf = new int[4 * c + 4096 + 2730];
    long hits = 0;
    var sw = Stopwatch.StartNew();
    foreach (var k in ids)
    {
        var n = nodeOf[k];
        if (n >= 0 && policy.IsResident(n)) { hits++; policy.Hit(n); continue; }
        if (n < 0) { n = nodes.TryAllocate(); nodeOf[k] = n; keyOf[n] = k; }
        policy.Arrive(n, 1);
        if (car) while (policy.IsOver) Drop(policy.Evict());
        for (var g = policy.Forget(); g >= 0; g = policy.Forget()) Drop(g);
        while (policy.IsOver) Drop(policy.Evict());
        policy.Admit(n);
    }
    void Drop(int n) { if (nodes[n].Home == 0) { nodeOf[keyOf[n]] = -1; nodes.Free(n); } }
    policy.CheckInvariants();
    return (hits, sw.Elapsed.TotalSeconds);
}
var folder = Environment.GetEnvironmentVariable("LEVEE_TRACES")!;
var cells = File.ReadLines(Environment.GetEnvironmentVariable("LEVEE_HITRATIO_CSV")!).Skip(1).Select(l => l.Split(',')).GroupBy(f => (f[0], f[1])).ToDictionary(g => g.Key, g => g.ToDictionary(f => f[2], f => double.Parse(f[3])));
double sa = 0, sc = 0, se = 0, secar = 0; int n = 0, ncar = 0, better = 0, worse = 0; double ta = 0, tc = 0;
Console.WriteLine("trace cells ARC CAR car-better arc-better");
foreach (var byTrace in cells.Keys.GroupBy(k => k.Item1))
{
    var file = Directory.GetFiles(folder).FirstOrDefault(f => Path.GetFileName(f).StartsWith(byTrace.Key.Replace("arc-", "") + ".", StringComparison.Ordinal));
    if (file is null) { Console.WriteLine("no file " + byTrace.Key); continue; }
    var keys = ReadTrace(file);
    var idOf = new Dictionary<ulong, int>();
    var ids = Array.ConvertAll(keys, k => { if (!idOf.TryGetValue(k, out var id)) idOf[k] = id = idOf.Count; return id; });
    double a = 0, c = 0; int m = 0, b = 0, w = 0;
    foreach (var size in byTrace.Select(k => int.Parse(k.Item2)).Order())
    {
        if (size > idOf.Count) continue;
        var (ah, at) = Sim("arc", size, ids, idOf.Count); var (ch, ct) = Sim("car", size, ids, idOf.Count);
        ta += at; tc += ct;
        double ar = (double)ah / ids.Length, cr = (double)ch / ids.Length;
        var e = cells[(byTrace.Key, size.ToString())];
        if (e.TryGetValue("ARC", out var ea) && Math.Abs(ea - ar) > 0.0005) Console.WriteLine($"  differs from evidence: {byTrace.Key} {size} ARC {ar:F5} evidence {ea:F5}");
        if (e.TryGetValue("CAR", out var ec)) { secar += ec - cr; ncar++; if (Math.Abs(ec - cr) > 0.002) Console.WriteLine($"  CAR differs: {byTrace.Key} {size} {cr:F5} evidence {ec:F5}"); }
        a += ar; c += cr; m++; if (cr > ar + 0.001) b++; if (ar > cr + 0.001) w++;
    }
    Console.WriteLine($"{byTrace.Key} {m} {100 * a / m:F2} {100 * c / m:F2} {b} {w}");
    sa += a; sc += c; n += m; better += b; worse += w;
}
Console.WriteLine($"mean of {n} cells: ARC {100 * sa / n:F2} CAR {100 * sc / n:F2}; CAR better by >0.1 in {better}, worse in {worse}; seconds ARC {ta:F1} CAR {tc:F1}; CAR evidence minus ours mean {100*secar/ncar:F3}");

static class Bench
{
    const int Sequence = 1 << 22;
    public static void Run()
    {
        foreach (var residents in new[] { 1000, 100_000, 5_000_000 })
        {
            var table = new Dictionary<string, List<double>>();
            using var a1 = new PageArena(long.MaxValue); using var a2 = new PageArena(long.MaxValue); using var a3 = new PageArena(long.MaxValue);
            EvictionPolicy arc = Fill(t => new ArcPolicy(t, residents), a1, residents, out var n1), car = Fill(t => new CarPolicy(t, residents), a2, residents, out var n2), lru = Fill(t => new LruPolicy(t, residents), a3, residents, out var n3);
            var rnd = new Random(1); var order = new int[Sequence];
            for (var i = 0; i < order.Length; i++) order[i] = rnd.Next(residents);
            foreach (var (p, t) in new[] { (arc, n1), (car, n2), (lru, n3) }) for (var warm = 0; warm < 4; warm++) { Loop(p, order); Touch(t, order); }
            for (var round = 0; round < 5; round++)
                foreach (var (name, p, t) in new[] { ("ARC", arc, n1), ("CAR", car, n2), ("LRU", lru, n3) })
                {
                    var w = Stopwatch.StartNew(); Loop(p, order); var hit = w.Elapsed.TotalNanoseconds / Sequence;
                    w.Restart(); Touch(t, order); var touch = w.Elapsed.TotalNanoseconds / Sequence;
                    Add(name, hit); Add(name + " read node only", touch);
                }
            foreach (var (k, v) in table) { v.Sort(); Console.WriteLine($"{residents} {k}: median {v[2]:F2} ns ({v[0]:F2}..{v[4]:F2})"); }
            void Add(string k, double v) { if (!table.TryGetValue(k, out var l)) table[k] = l = []; l.Add(v); }
        }
    }
    static EvictionPolicy Fill(Func<NodeTable, EvictionPolicy> make, PageArena arena, int residents, out NodeTable nodes)
    {
        nodes = new NodeTable(new PageShare(arena, long.MaxValue));
        var p = make(nodes);
        for (var i = 0; i < residents; i++) { var n = nodes.TryAllocate(); p.Arrive(n, 1); p.Admit(n); }
        // Steady state: every resident has been used twice, in random order.
        var all = Enumerable.Range(0, residents).ToArray(); new Random(2).Shuffle(all);
        foreach (var n in all) p.Hit(n);
        return p;
    }
    [MethodImpl(MethodImplOptions.NoInlining)] static void Loop(EvictionPolicy p, int[] order) { foreach (var n in order) p.Hit(n); }
    static int sink;
    [MethodImpl(MethodImplOptions.NoInlining)] static void Touch(NodeTable t, int[] order) { var s = 0; foreach (var n in order) s += t[n].Home; sink = s; }

    // A request as a server has it: index node, then three dependent misses in 640 MB of records, then the policy's hit.
    public static unsafe void Requests()
    {
        foreach (var residents in new[] { 100_000, 5_000_000 })
        {
            var bytes = (long)residents * 128; var words = bytes / 8;
            var memory = (long*)System.Runtime.InteropServices.NativeMemory.AllocZeroed((nuint)bytes);
            for (long i = 0; i < words; i += 512) memory[i] = 0;
            for (long i = 0; i < words; i += 8) memory[i] = 0;
            var rnd = new Random(1); const int N = 1 << 24; var slice = 0; var order = new int[N];
            for (var i = 0; i < N; i++) order[i] = rnd.Next(residents);
            var policies = new List<(string, EvictionPolicy?, NodeTable, PageArena)>();
            foreach (var name in new[] { "none", "ARC", "CAR", "LRU" })
            {
                var arena = new PageArena(long.MaxValue);
                var p = Fill(t => name switch { "CAR" => new CarPolicy(t, residents), "LRU" => new LruPolicy(t, residents), _ => new ArcPolicy(t, residents) }, arena, residents, out var t);
                policies.Add((name, name == "none" ? null : p, t, arena));
            }
            var table = new Dictionary<string, List<double>>();
            for (var round = -4; round < 60; round++)
                for (var turn = 0; turn < 4; turn++)
                {
                    var (name, p, t, _) = policies[(turn + round + 8) % 4]; var from = slice++ % 128 * (N / 128);
                    var w = Stopwatch.StartNew();
                    long carry = 0;
                    foreach (var k in order.AsSpan(from, N / 128))
                    {
                        var n = k + (int)carry;
                        var h = (ulong)(t[n].Tag) + (ulong)n + (ulong)slice * 7919UL * 1_000_003UL;
                        for (var step = 0; step < 3; step++)
                        {
                            h = (h + 1) * 0x9E3779B97F4A7C15UL;
                            h ^= h >> 29;
                            carry = memory[(long)(((UInt128)h * (ulong)(words / 8)) >> 64) * 8];
                            h += (ulong)carry;
                        }
                        p?.Hit(n);
                    }
                    if (round < 0) continue;
                    if (!table.TryGetValue(name, out var l)) table[name] = l = [];
                    l.Add(w.Elapsed.TotalNanoseconds / (N / 128));
                }
            foreach (var (k, v) in table) { v.Sort(); Console.WriteLine($"request {residents} {k}: median {v[30]:F1} ns (quartiles {v[15]:F1}..{v[45]:F1}, min {v[0]:F1})"); }
            foreach (var (_, _, _, arena) in policies) arena.Dispose();
            System.Runtime.InteropServices.NativeMemory.Free(memory);
        }
    }
    public static void Sweep()
    {
        foreach (var residents in new[] { 100_000, 312_500, 5_000_000 })
        {
            using var arena = new PageArena(long.MaxValue);
            foreach (var name in new[] { "CAR", "ARC" })
            {
                var v = new List<double>();
                var p = Fill(t => name == "CAR" ? new CarPolicy(t, residents) : new ArcPolicy(t, residents), arena, residents, out var t);
                for (var round = 0; round < 5; round++)
                {
                    var rnd = new Random(round);
                    var all = Enumerable.Range(0, residents).ToArray(); rnd.Shuffle(all);
                    foreach (var n in all) if (p.IsResident(n)) p.Hit(n);
                    var w = Stopwatch.StartNew(); p.Evict(); v.Add(w.Elapsed.TotalMicroseconds);
                }
                v.Sort(); Console.WriteLine($"first eviction after all {residents} were read, {name}: median {v[2]:F1} us ({v[0]:F1}..{v[4]:F1})");
            }
        }
    }
}
