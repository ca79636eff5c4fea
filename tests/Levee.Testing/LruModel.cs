namespace Levee.Testing;

/// <summary>Least recently used as a list of keys, slow and plain.</summary>
public sealed class LruModel(long capacity)
{
    private readonly Dictionary<ulong, int> weights = [];

    /// <summary>First is the least recently used.</summary>
    public LinkedList<ulong> Residents { get; } = [];

    public long Weight => Residents.Sum(key => (long)weights[key]);

    public bool IsResident(ulong key) => Residents.Contains(key);

    public bool Access(ulong key, int weight)
    {
        if (Residents.Remove(key))
        {
            Residents.AddLast(key);
            return true;
        }

        while (Weight + weight > capacity)
        {
            Evict();
        }

        weights[key] = weight;
        Residents.AddLast(key);
        return false;
    }

    public void Overwrite(ulong key, int weight)
    {
        Access(key, weight);
        weights[key] = weight;
        while (Weight > capacity)
        {
            Evict();
        }
    }

    public void Evict()
    {
        if (Residents.Count > 0)
        {
            Residents.RemoveFirst();
        }
    }

    public void Remove(ulong key) => Residents.Remove(key);
}
