using System.Numerics;

namespace Levee.Testing;

/// <summary>
/// Greedy-dual-size-frequency with rounded ratios, slow: priorities are whole numbers without bound, and the victim is looked for among all entries.
/// </summary>
/// <param name="capacity">What all entries together may weigh.</param>
/// <param name="fixedCost">What every miss costs; a whole number.</param>
/// <param name="unitCost">What is added for each unit of weight; a whole number.</param>
public sealed class GdsfModel(long capacity, int fixedCost, int unitCost)
{
    private const int Classes = 31;
    private const int Heaviest = 1 << 24;

    private readonly Dictionary<ulong, Entry> entries = [];
    private ulong? spared;

    public long Capacity { get; private set; } = capacity;

    /// <summary>L, in 256ths of the least ratio.</summary>
    public BigInteger Age { get; private set; }

    /// <summary>How often each case was reached.</summary>
    public Dictionary<string, int> Reached { get; } = [];

    /// <summary>What was evicted, in order.</summary>
    public List<ulong> Evicted { get; } = [];

    /// <summary>The entries of each class, in order of use.</summary>
    public List<ulong>[] Lists { get; } = [.. Enumerable.Range(0, Classes).Select(_ => new List<ulong>())];

    public long Weight => entries.Values.Sum(entry => (long)entry.Weight);

    public bool IsResident(ulong key) => entries.ContainsKey(key);

    public int FrequencyOf(ulong key) => entries[key].Frequency;

    public BigInteger PriorityOf(ulong key) => entries[key].Priority;

    public bool Access(ulong key, int weight)
    {
        if (entries.ContainsKey(key))
        {
            Hit(key);
            return true;
        }

        spared = null;
        while (Weight + weight > Capacity)
        {
            Evict();
        }

        entries[key] = new Entry { Frequency = 1, Weight = weight };
        Append(key);
        return false;
    }

    public void Overwrite(ulong key, int weight)
    {
        Hit(key);
        var before = entries[key].Class;
        entries[key].Weight = weight;
        var after = ClassOf(entries[key].Frequency, weight);
        Reach(before == after ? "resized within its class" : "resized into another class");
        Lists[before].Remove(key);
        Append(key);
        spared = key;
        while (Weight > Capacity)
        {
            Evict();
        }
    }

    public void Evict()
    {
        if (entries.Count == 0)
        {
            return;
        }

        var least = Least(null);
        Age = entries[least].Priority;
        if (least == spared && entries.Count > 1)
        {
            Reach("resized entry spared");
            least = Least(spared);
        }

        Reach("evicted");
        Evicted.Add(least);
        Remove(least);
    }

    public void Remove(ulong key)
    {
        Lists[entries[key].Class].Remove(key);
        entries.Remove(key);
        spared = spared == key ? null : spared;
    }

    public void ChangeCapacity(long wanted)
    {
        while (Weight > wanted)
        {
            Evict();
        }

        Capacity = wanted;
    }

    /// <summary>An entry from the same policy elsewhere, by the class that it had there, counted from 1.</summary>
    public bool TryImport(ulong key, int home, int weight)
    {
        if (Weight + weight > Capacity)
        {
            return false;
        }

        Reach("imported");
        var frequency = Enumerable.Range(1, 16).FirstOrDefault(uses => ClassOf(uses, weight) >= home - 1, 16);
        var entry = new Entry { Frequency = frequency, Weight = weight, Class = ClassOf(frequency, weight) };
        var list = Lists[entry.Class];
        entry.Priority = list.Count > 0 ? entries[list[0]].Priority : Age + RatioOf(entry.Class);
        entries.Add(key, entry);
        list.Insert(0, key);
        return true;
    }

    /// <summary>The class, from 0 to 30: how far log2(f cost(w) / w) has come on the way from its least to its greatest, in 64ths of an octave.</summary>
    public int ClassOf(int frequency, int weight) => (int)((LogOfUses(frequency) + LogOfValue(weight)) * (Classes - 1) / Span);

    private BigInteger RatioOf(int number) => (BigInteger)Math.Round(256 * Math.Pow(2, (double)number * Span / (Classes - 1) / 64));

    private long Span => LogOfUses(16) + LogOfValue(1);

    private static long LogOfUses(int frequency) => frequency == 1 ? 0 : (long)Math.Round(64 * Math.Log2(frequency)) + 128;

    private long LogOfValue(int weight) => (long)Math.Round(64 * (Math.Log2(fixedCost + ((double)unitCost * weight)) - Math.Log2(weight) - Math.Log2(fixedCost + ((double)unitCost * Heaviest)) + 24));

    private void Hit(ulong key)
    {
        var entry = entries[key];
        Reach(entry.Frequency == 16 ? "hit, counted enough" : "hit");
        entry.Frequency = Math.Min(16, entry.Frequency + 1);
        Lists[entry.Class].Remove(key);
        Append(key);
    }

    private void Append(ulong key)
    {
        var entry = entries[key];
        entry.Class = ClassOf(entry.Frequency, entry.Weight);
        entry.Priority = Age + RatioOf(entry.Class);
        Lists[entry.Class].Add(key);
    }

    // Of equals the lowest class, and there what was used longest ago.
    private ulong Least(ulong? except) => Lists.SelectMany(list => list).Where(key => key != except).MinBy(key => entries[key].Priority);

    private void Reach(string what) => Reached[what] = Reached.GetValueOrDefault(what) + 1;

    private sealed class Entry
    {
        public int Frequency { get; set; }

        public int Weight { get; set; }

        public int Class { get; set; }

        public BigInteger Priority { get; set; }
    }
}
