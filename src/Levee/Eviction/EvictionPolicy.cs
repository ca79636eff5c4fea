using System.Diagnostics;
using Levee.Operations;

namespace Levee.Eviction;

/// <summary>
/// Decides which resident leaves when room is needed. A policy owns the order of nodes and nothing else: memory, keys and values are its owner's.
/// One owner, one call at a time; every call is O(1).
/// <para>
/// Weights and capacity are in one unit of the owner's choice (the replay: entries; a partition: 8-byte granules). An arrival goes:
/// <see cref="Arrive"/>, then <see cref="Forget"/> until it has nothing left to forget, then <see cref="Evict"/> while <see cref="IsOver"/>
/// (and as much longer as the owner lacks memory), then <see cref="Admit"/>.
/// </para>
/// <para>
/// A node that <see cref="Evict"/> returns has left the residents. Where its <see cref="Node.Home"/> is not 0 it stays on as a ghost and its owner keeps it
/// in the index; else its owner drops it. A node that <see cref="Forget"/> returns is dropped.
/// </para>
/// <para>
/// Two policies may order nodes of one table at once, while the residents of one are handed over to the other: each has its side of the numbers of lists.
/// </para>
/// </summary>
/// <param name="nodes">The nodes to order.</param>
/// <param name="capacity">What all residents together may weigh.</param>
/// <param name="side">0 or <see cref="OtherSide"/>: added to the numbers of the policy's lists.</param>
internal abstract class EvictionPolicy(NodeTable nodes, long capacity, byte side)
{
    /// <summary>The side of a policy whose lists have the numbers from 33 on. The list with number 32, between the sides, is no policy's: it holds what was prefetched and not used yet.</summary>
    public const byte OtherSide = 32;

    /// <summary>Most lists that a policy has.</summary>
    public const int MaxLists = 31;

    /// <summary>0 or <see cref="OtherSide"/>.</summary>
    public byte Side { get; } = side;

    /// <summary>The nodes that the policy orders.</summary>
    protected NodeTable Nodes { get; } = nodes;

    /// <summary>What all residents together may weigh.</summary>
    public long Capacity { get; protected set; } = capacity;

    /// <summary>The smallest capacity within whose bounds the lists are as they stand.</summary>
    public abstract long LowestCapacity { get; }

    /// <summary>The policy's lists by <see cref="NodeList.Home"/>, residents first; for handing them over.</summary>
    public abstract IReadOnlyList<NodeList> NodeLists { get; }

    /// <summary>The policy's name, in lower case, as options spell it.</summary>
    public abstract string Name { get; }

    /// <summary>What all residents together weigh.</summary>
    public abstract long ResidentWeight { get; }

    /// <summary>The weight of the node between <see cref="Arrive"/> and <see cref="Admit"/>; 0 where none is arriving.</summary>
    public int ArrivingWeight { get; protected set; }

    /// <summary>What others than the residents take of the capacity: entries that were prefetched and not used yet. Ghosts are bounded as if it were 0.</summary>
    public virtual long Reserved { get; set; }

    /// <summary>Whether the residents, the arrival and what is reserved weigh more than the capacity.</summary>
    public bool IsOver => ResidentWeight + ArrivingWeight + Reserved > Capacity;

    /// <summary>Whether the policy needs <see cref="NodeTable.Extra"/>. Who makes it extends the table first.</summary>
    public virtual bool NeedsExtras => false;

    /// <summary>Memory that the policy holds beside the nodes, in bytes, rented from the nodes' share.</summary>
    public virtual long HeldBytes => 0;

    /// <summary>Rents what the policy will hold beside the nodes for so many residents, before it takes them over. May be called again where the share lacked a page: what has been rented is kept.</summary>
    /// <returns>False where the share has no page left.</returns>
    public virtual bool TryPrepare(int residents) => true;

    /// <summary>Whether the policy would rent one more page at the next <see cref="Arrive"/> and works worse without. Its owner may make room for it.</summary>
    public virtual bool NeedsPage => false;

    /// <summary>Whether a node is resident, and not a ghost or on no list.</summary>
    public abstract bool IsResident(int node);

    /// <summary>The place in <see cref="NodeLists"/>, counted from 1, of the list that a node is on: what <see cref="TryImport"/> takes elsewhere.</summary>
    public virtual byte PlaceOf(int node) => (byte)(Nodes[node].Home - Side);

    /// <summary>A resident has been used. The hot path.</summary>
    public abstract void Hit(int node);

    /// <summary>
    /// A node is about to become resident: a fresh one, or a ghost, which leaves its list here. The policy learns from it and says by <see cref="Forget"/>
    /// which ghosts must go. Sets the node's weight; it must be from 1 to <see cref="Capacity"/>.
    /// </summary>
    public abstract void Arrive(int node, int weight);

    /// <summary>Takes the next ghost that is over the policy's bound off its list.</summary>
    /// <returns>The node, which its owner drops; <see cref="NodeTable.None"/> where the ghosts are within bound.</returns>
    public abstract int Forget();

    /// <summary>Takes any one ghost off its list, the one of least worth, because its owner lacks memory for nodes.</summary>
    /// <returns>The node, which its owner drops; <see cref="NodeTable.None"/> where there is no ghost.</returns>
    public abstract int ForgetAny();

    /// <summary>Takes the next victim off the residents.</summary>
    /// <returns>The node, now a ghost or on no list; <see cref="NodeTable.None"/> where there is no resident.</returns>
    public abstract int Evict();

    /// <summary>The node that will mostly be the next victim, behind which the following ones mostly stand (<see cref="Node.Next"/>), so that its owner can fetch them ahead; <see cref="NodeTable.None"/> where there is none.</summary>
    public abstract int NextVictim { get; }

    /// <summary>The arrived node becomes resident.</summary>
    public abstract void Admit(int node);

    /// <summary>The arrival is given up before it was admitted; its node is on no list and its owner drops it.</summary>
    public virtual void Abandon() => ArrivingWeight = 0;

    /// <summary>A resident or ghost leaves for another reason than eviction (removal, expiration, invalidation).</summary>
    public abstract void Remove(int node);

    /// <summary>A resident changes its weight, after <see cref="Hit"/>; at most <see cref="Capacity"/>. The owner evicts while <see cref="IsOver"/> and forgets
    /// afterwards. The node itself is not among those victims, as long as there is another: never while <see cref="IsOver"/>.</summary>
    public abstract void Resize(int node, int weight);

    /// <summary>The lists, in the policy's own order; weights in the owner's unit times <paramref name="unitBytes"/>.</summary>
    public abstract IReadOnlyList<ListStatistics> Lists(int unitBytes);

    /// <summary>The name of the list that a node is on, in the policy's paper; empty where it is on none. For people.</summary>
    public abstract string ListNameOf(int node);

    /// <summary>The adaptive target, in the owner's unit; 0 where the policy has none.</summary>
    public virtual long Target => 0;

    /// <summary>The target as the real number that it is.</summary>
    public virtual double ExactTarget => 0;

    /// <summary>Takes over a target from elsewhere; it is clamped to 0 and the capacity. Nothing where the policy has none.</summary>
    public virtual void SetTarget(double taken)
    {
    }

    /// <summary>Changes the capacity between two operations of the owner: to anything from <see cref="LowestCapacity"/> on.</summary>
    public virtual void SetCapacity(long changed)
    {
        Debug.Assert(changed >= Math.Max(1, LowestCapacity), "The owner makes room first.");
        Capacity = changed;
    }

    /// <summary>Takes a ghost off its list that would be over the bounds of a smaller capacity, which the residents keep already.</summary>
    /// <returns>The node, which its owner drops; <see cref="NodeTable.None"/> where there is none to go.</returns>
    public virtual int ForgetBeyond(long smaller) => NodeTable.None;

    /// <summary>Puts a node that comes from the same policy elsewhere at the cold end of the list that it was on there, where the bounds have room for it; nothing is learnt from it.</summary>
    /// <param name="node">A node on no list.</param>
    /// <param name="home">The list's place in <see cref="NodeLists"/>, counted from 1.</param>
    /// <param name="weight">Its weight, at least 1.</param>
    /// <returns>False where there is no such list or no room; then nothing changed.</returns>
    public virtual bool TryImport(int node, byte home, int weight)
    {
        if (!HasRoomFor(home, weight))
        {
            return false;
        }

        Nodes[node].Weight = weight;
        NodeLists[home - 1].Prepend(node);
        return true;
    }

    /// <summary>Whether <see cref="TryImport"/> would take such a node.</summary>
    public abstract bool HasRoomFor(byte home, int weight);

    /// <summary>Whether the policy takes a resident for one that is used again and again, and not for one that may have come for a single use. For handing over.</summary>
    public abstract bool IsHot(int node);

    /// <summary>
    /// Takes a resident of another policy over, at the cold end of those of its kind; nothing is learnt from it. Whoever hands over begins with the hottest, so the order stays. Afterwards the owner forgets, as after
    /// <see cref="Resize"/>.
    /// </summary>
    /// <param name="node">A node on no list, with its weight. Its mark and its extra are the new policy's to set.</param>
    /// <param name="isHot">What <see cref="IsHot"/> said of it.</param>
    public abstract void Import(int node, bool isHot);

    /// <summary>Learns from the return of a ghost whose entry has become resident by another way, under a node of its own, and takes it off its list. The owner drops it.</summary>
    /// <param name="ghost">The ghost.</param>
    /// <param name="weight">What the entry weighs now.</param>
    public virtual void Acknowledge(int ghost, int weight) => Remove(ghost);

    /// <summary>Gives back the memory that the policy holds beside the nodes. It is not used any more.</summary>
    public virtual void Release()
    {
    }

    /// <summary>Recounts everything and throws where an invariant of the policy does not hold. For tests: O(n).</summary>
    public abstract void CheckInvariants();
}
