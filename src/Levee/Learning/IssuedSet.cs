using System.Numerics;
using System.Runtime.InteropServices;

namespace Levee.Learning;

/// <summary>Where a prediction stands that is not only tested.</summary>
internal enum IssuedState : byte
{
    /// <summary>Nobody has taken it yet.</summary>
    Queued,

    /// <summary>It was taken and has not ended.</summary>
    Loading,

    /// <summary>It is in memory and was not used yet.</summary>
    Landed,
}

/// <summary>
/// Predictions from when they are made until they are used or given up: found by id, and in order of time within each state. Bounded: what finds no room is not predicted.
/// </summary>
internal sealed class IssuedSet
{
    /// <summary>No prediction.</summary>
    public const int None = -1;

    private readonly Issued[] nodes;
    private readonly int[] heads; // Node + 1; 0 where there is none.
    private readonly Order[] orders = new Order[3];
    private int free;

    /// <param name="capacity">How many it holds, at least 1.</param>
    public IssuedSet(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        nodes = new Issued[capacity];
        heads = new int[(int)BitOperations.RoundUpToPowerOf2((uint)capacity + 1) / 2];
        Array.Fill(orders, new Order { Oldest = None, Newest = None });
        for (var i = 0; i < capacity; i++)
        {
            nodes[i].Chain = i + 1 < capacity ? i + 1 : None;
        }
    }

    /// <summary>The memory that it holds, in bytes.</summary>
    public long MemoryBytes => ((long)nodes.Length * Marshal.SizeOf<Issued>()) + (heads.Length * sizeof(int));

    /// <summary>How many predictions have been made, are loading, or have landed.</summary>
    public int Count(IssuedState state) => orders[(int)state].Count;

    /// <summary>The one that came first to a state; <see cref="None"/> where there is none.</summary>
    public int Oldest(IssuedState state) => orders[(int)state].Oldest;

    /// <summary>The id of a prediction.</summary>
    public ulong IdOf(int node) => nodes[node].Id;

    /// <summary>The bucket of a prediction.</summary>
    public int BucketOf(int node) => nodes[node].Bucket;

    /// <summary>The state of a prediction.</summary>
    public IssuedState StateOf(int node) => nodes[node].State;

    /// <summary>When a prediction came to its state, modulo 2^32.</summary>
    public uint TimeOf(int node) => nodes[node].Time;

    /// <summary>Finds a prediction by id; <see cref="None"/> where there is none.</summary>
    public int Find(ulong id)
    {
        var node = heads[HeadOf(id)] - 1;
        while (node >= 0 && nodes[node].Id != id)
        {
            node = nodes[node].Chain;
        }

        return node;
    }

    /// <summary>Adds a prediction whose id is not in the set.</summary>
    /// <returns>False where there is no room.</returns>
    public bool TryAdd(ulong id, int bucket, uint time)
    {
        if (free == None)
        {
            return false;
        }

        var node = free;
        ref var added = ref nodes[node];
        free = added.Chain;
        ref var head = ref heads[HeadOf(id)];
        added.Id = id;
        added.Bucket = (byte)bucket;
        added.State = IssuedState.Queued;
        added.Time = time;
        added.Chain = head - 1;
        head = node + 1;
        Append(node);
        return true;
    }

    /// <summary>A prediction comes to another state, as the newest there.</summary>
    public void Move(int node, IssuedState state, uint time)
    {
        Unlink(node);
        nodes[node].State = state;
        nodes[node].Time = time;
        Append(node);
    }

    /// <summary>A prediction leaves the set.</summary>
    public void Remove(int node)
    {
        Unlink(node);
        ref var removed = ref nodes[node];
        ref var head = ref heads[HeadOf(removed.Id)];
        if (head == node + 1)
        {
            head = removed.Chain + 1;
        }
        else
        {
            var before = head - 1;
            while (nodes[before].Chain != node)
            {
                before = nodes[before].Chain;
            }

            nodes[before].Chain = removed.Chain;
        }

        removed.Chain = free;
        free = node;
    }

    private int HeadOf(ulong id) => (int)((id * 0x9E3779B97F4A7C15) >> 32) & (heads.Length - 1);

    private void Append(int node)
    {
        ref var order = ref orders[(int)nodes[node].State];
        nodes[node].Prev = order.Newest;
        nodes[node].Next = None;
        if (order.Newest == None)
        {
            order.Oldest = node;
        }
        else
        {
            nodes[order.Newest].Next = node;
        }

        order.Newest = node;
        order.Count++;
    }

    private void Unlink(int node)
    {
        ref var unlinked = ref nodes[node];
        ref var order = ref orders[(int)unlinked.State];
        if (unlinked.Prev == None)
        {
            order.Oldest = unlinked.Next;
        }
        else
        {
            nodes[unlinked.Prev].Next = unlinked.Next;
        }

        if (unlinked.Next == None)
        {
            order.Newest = unlinked.Prev;
        }
        else
        {
            nodes[unlinked.Next].Prev = unlinked.Prev;
        }

        order.Count--;
    }

    [StructLayout(LayoutKind.Sequential, Pack = 4)]
    private struct Issued
    {
        public ulong Id;
        public int Chain;
        public int Prev;
        public int Next;
        public uint Time;
        public byte Bucket;
        public IssuedState State;
    }

    private struct Order
    {
        public int Oldest;
        public int Newest;
        public int Count;
    }
}
