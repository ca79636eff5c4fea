namespace Levee.Learning;

/// <summary>What one access leads predictors to predict: ids with their buckets. Bounded; what finds no room is not predicted.</summary>
internal sealed class PredictionList(int capacity)
{
    private readonly ulong[] ids = new ulong[capacity];
    private readonly byte[] buckets = new byte[capacity];

    public int Count { get; private set; }

    public (ulong Id, int Bucket) this[int place] => (ids[place], buckets[place]);

    public void Add(ulong id, int bucket)
    {
        if (Count < ids.Length)
        {
            ids[Count] = id;
            buckets[Count++] = (byte)bucket;
        }
    }

    public void Clear() => Count = 0;
}
