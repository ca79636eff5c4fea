using System.Runtime.CompilerServices;
using Levee.Eviction;
using Levee.Memory;

namespace Levee.Partitions;

/// <summary>
/// Entries that were prefetched and not used yet: a list of their own, first in, first out, beside the policy, which learns of none of them before its first use. They take their place out of the capacity
/// (<see cref="EvictionPolicy.Reserved"/>). Each lives for about as many would-be misses as there are entries here, from 64 to 1,024: what is not used by then was a wrong guess.
/// <para>
/// Age is counted in four generations, which a node's mark holds: one passes each 2/5 of that lifetime, and what is three generations old goes, so after 0.8 to 1.2 lifetimes.
/// </para>
/// <para>
/// What the area costs is noted too: a table of a page remembers by hash tag what the policy has evicted lately. A miss of what was evicted fewer evictions ago than there are entries here would have been
/// a hit without the area. The table forgets what another tag of its place overwrites, so it counts too few rather than too many.
/// </para>
/// </summary>
/// <param name="nodes">The nodes, which are the policy's too.</param>
internal sealed unsafe class PrefetchArea(NodeTable nodes)
{
    /// <summary>The number of the area's list; no policy has a list with it, whatever its side.</summary>
    public const byte Home = EvictionPolicy.OtherSide;

    /// <summary>The area takes this part of the capacity at the most: a tenth.</summary>
    public const int CapacityPerArea = 10;

    private const int ShortestLife = 64;
    private const int LongestLife = 1024;
    private const int Generations = 4;
    private const int PlaceCount = PageArena.PageBytes / sizeof(ulong);

    private readonly NodeList list = new(nodes, Home, "prefetched", isGhost: false);
    private int generation;
    private int missesLeft = ShortestLife * 2 / 5;
    private uint evictions;
    private ulong* evicted;

    /// <summary>The list, for handing over and for statistics.</summary>
    public NodeList List => list;

    /// <summary>Entries here.</summary>
    public int Count => list.Count;

    /// <summary>What they weigh.</summary>
    public long Weight => list.Weight;

    /// <summary>Most entries here, whatever they weigh.</summary>
    public int MaxEntries { get; set; } = int.MaxValue;

    /// <summary>The entry that came first; <see cref="NodeTable.None"/> where there is none.</summary>
    public int First => list.LeastRecent;

    /// <summary>Entries that have come here.</summary>
    public long Landed { get; private set; }

    /// <summary>Those of them that were used.</summary>
    public long Used { get; set; }

    /// <summary>Those that left without having been used, for whatever reason.</summary>
    public long Wasted { get; set; }

    /// <summary>Misses of what would still be resident without the area, as far as is known.</summary>
    public long Pollution { get; private set; }

    /// <summary>Memory of the table of evictions, in bytes.</summary>
    public long HeldBytes => evicted == null ? 0 : PageArena.PageBytes;

    /// <summary>Whether evictions are noted, from the first one on for which the area may be the cause: there is a page for it then, which is paid back if need be.</summary>
    public bool NotesEvictions
    {
        get;
        set
        {
            field = value;
            if (!value)
            {
                Release();
            }
        }
    }

    /// <summary>Whether a node is here.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Holds(int node) => nodes[node].Home == Home;

    /// <summary>Whether the area would be over its bounds with this much more.</summary>
    /// <param name="capacity">What the partition may hold, in the unit of weights.</param>
    /// <param name="weight">What comes.</param>
    /// <param name="entries">How many come.</param>
    public bool IsOver(long capacity, int weight, int entries) => Weight + weight > capacity / CapacityPerArea || Count > MaxEntries - entries;

    /// <summary>Takes in a node that is on no list and has its weight.</summary>
    public void Add(int node)
    {
        nodes[node].Mark = generation;
        list.Append(node);
        Landed++;
    }

    /// <summary>Lets a node go; it is on no list afterwards, as fresh as any.</summary>
    public void Remove(int node)
    {
        list.Remove(node);
        nodes[node].Mark = 0;
    }

    /// <summary>Gives a node another weight.</summary>
    public void Resize(int node, int weight) => list.Reweigh(node, weight);

    /// <summary>A would-be miss has been seen: time passes.</summary>
    public void Tick()
    {
        // The oldest must be gone before their mark comes round again.
        if (--missesLeft <= 0 && !IsFirstTooOld)
        {
            generation = (generation + 1) % Generations;
            missesLeft = Math.Clamp(Count, ShortestLife, LongestLife) * 2 / 5;
        }
    }

    /// <summary>Whether the entry that came first has had its time.</summary>
    public bool IsFirstTooOld => First != NodeTable.None && (generation - nodes[First].Mark + Generations) % Generations == Generations - 1;

    /// <summary>The policy has evicted an entry.</summary>
    public void NoteEviction(uint tag)
    {
        if (evicted == null && (Count == 0 || !NotesEvictions || !TryRent()))
        {
            return;
        }

        evicted[tag % PlaceCount] = ((ulong)tag << 32) | ++evictions;
    }

    /// <summary>A key is missed: whether it would be resident without the area. Counted once for each eviction.</summary>
    public bool IsPollution(uint tag)
    {
        if (evicted == null)
        {
            return false;
        }

        ref var place = ref evicted[tag % PlaceCount];
        if ((uint)(place >> 32) != tag || evictions - (uint)place >= (uint)Count)
        {
            return false;
        }

        place = 0;
        Pollution++;
        return true;
    }

    /// <summary>Goes on with the counters of an area that is given up.</summary>
    public void Follow(PrefetchArea before)
    {
        Landed = before.Landed;
        Used = before.Used;
        Wasted = before.Wasted + before.Count;
        Pollution = before.Pollution;
        MaxEntries = before.MaxEntries;
        NotesEvictions = before.NotesEvictions;
    }

    /// <summary>Gives the table's memory back.</summary>
    public void Release()
    {
        if (evicted != null)
        {
            nodes.Share.Return((byte*)evicted);
            evicted = null;
        }
    }

    /// <summary>Recounts everything and throws where an invariant does not hold. For tests: O(n).</summary>
    public void CheckInvariants()
    {
        list.CheckInvariants();
        Invariant.Holds(Landed == Used + Wasted + Count, $"prefetch area: {Landed} came, {Used} were used, {Wasted} wasted, {Count} are left");
        var age = Generations;
        for (var node = list.LeastRecent; node != NodeTable.None; node = nodes[node].Next)
        {
            var next = (generation - nodes[node].Mark + Generations) % Generations;
            Invariant.Holds(next <= age, $"prefetch area: node {node} is of an older generation than one that came before it");
            age = next;
        }
    }

    private bool TryRent()
    {
        evicted = (ulong*)nodes.Share.TryRent(overdraws: true);
        if (evicted == null)
        {
            return false;
        }

        new Span<ulong>(evicted, PlaceCount).Clear();
        return true;
    }
}
