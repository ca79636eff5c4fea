using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Levee.Memory;

namespace Levee.Segments;

/// <summary>
/// The index of a tier: hash to location, off the managed heap. Ordered linear probing (Amble and Knuth, The Computer Journal 17, 1974) in many small tables, each of which grows by an eighth
/// and shrinks on its own, so that no call pays for more than one of them.
/// <code>
/// table                  the hash's highest bits, so that a partition is a run of tables
/// rank                   hash * secret odd factor: a permutation of hashes, and nobody who chooses keys can choose who is whose neighbour
/// home                   rank * capacity / 2^64
/// slots of a table       capacity + spare + 1 that is always empty
/// slot, 20 bytes         hash 8 · all bits of the location inverted 8 (0: empty) · expiry 4
/// </code>
/// Invariants: ranks rise from slot to slot; no entry lies before its home; between an entry and its home no slot is empty. So the search for a hash ends at the first empty slot or higher rank,
/// found or not, after less than 3 slots on average at the highest load; and a table is copied into a larger one in order, front to back.
/// One owner, one call at a time.
/// </summary>
public sealed unsafe class SegmentIndex : IDisposable
{
    /// <summary>As many tables as keep growing one below 0.1 ms with 40 million entries.</summary>
    public const int DefaultTableCount = 4096;

    private const int MinTableCount = 256;
    private const int FirstCapacity = 16;
    private const int FirstSpare = 16;

    /// <summary>Load, in tenths, above which a table grows, and below which it shrinks; either way to about 7.</summary>
    private const int MaxTenths = 8;
    private const int MinTenths = 5;

    /// <summary>Load, in tenths, from which a table may grow by an eighth before its time.</summary>
    private const int FilledTenths = 6;

    private readonly ulong factor;
    private readonly int tableShift;
    private readonly Slot* empty;
    private Table* tables;

    /// <param name="tableCount">How many tables: a power of two, at least 256.</param>
    /// <param name="factor">The odd factor, of 64 bits as good as random; null: chance.</param>
    public SegmentIndex(int tableCount = DefaultTableCount, ulong? factor = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(tableCount, MinTableCount);
        if (!BitOperations.IsPow2(tableCount))
        {
            throw new ArgumentException($"The number of tables is a power of two, not {tableCount}.", nameof(tableCount));
        }

        TableCount = tableCount;
        tableShift = 64 - BitOperations.Log2((uint)tableCount);
        this.factor = (factor ?? BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)))) | 1;
        tables = (Table*)NativeMemory.AllocZeroed((nuint)tableCount, (nuint)sizeof(Table));
        empty = (Slot*)NativeMemory.AllocZeroed((nuint)sizeof(Slot));
        for (var i = 0; i < tableCount; i++)
        {
            tables[i].Slots = empty;
        }

        HeldBytes = (long)tableCount * sizeof(Table);
    }

    /// <summary>Frees the memory where nobody disposed of it.</summary>
    ~SegmentIndex() => Free();

    /// <summary>Entries.</summary>
    public long Count { get; private set; }

    /// <summary>Memory held, in bytes.</summary>
    public long HeldBytes { get; private set; }

    /// <summary>How many tables there are; a hash is in the one that its highest bits name.</summary>
    public int TableCount { get; }

    /// <summary>The table that a hash belongs to.</summary>
    public int TableOf(ulong hash) => (int)(hash >> tableShift);

    /// <summary>Fetches what a look at a hash will touch, without waiting for it. From any thread: the address may be out of date, and then something else is fetched in vain.</summary>
    public void Approach(ulong hash)
    {
        ref var table = ref TableFor(hash);
        var slots = table.Slots;
        if (slots != null)
        {
            Prefetch.Line(slots + Home(Rank(hash), table.Capacity));
        }
    }

    /// <summary>The entry of a hash.</summary>
    public bool TryFind(ulong hash, out IndexEntry entry)
    {
        ref var table = ref TableFor(hash);
        var slot = Seek(table, hash);
        if (!slot->IsOf(hash))
        {
            entry = default;
            return false;
        }

        entry = slot->Entry;
        return true;
    }

    /// <summary>Adds an entry, or replaces the one of the same hash.</summary>
    /// <returns>Whether there was one.</returns>
    public bool Set(in IndexEntry entry, out IndexEntry replaced)
    {
        if (entry.Location.Bits == ulong.MaxValue)
        {
            throw new ArgumentException("A location with all bits set stands for none.", nameof(entry));
        }

        ref var table = ref TableFor(entry.Hash);
        var slot = Seek(table, entry.Hash);
        if (slot->IsOf(entry.Hash))
        {
            replaced = slot->Entry;
            slot->Put(entry);
            return true;
        }

        replaced = default;
        if ((table.Count + 1L) * 10 > table.Capacity * (long)MaxTenths)
        {
            Rebuild(ref table, Math.Max(FirstCapacity, table.Capacity + (table.Capacity / 8)), Math.Max(FirstSpare, table.Spare));
            slot = Seek(table, entry.Hash);
        }

        while (!TryInsert(ref table, slot, entry))
        {
            // The spare slots behind the last home are full. Where the table is well filled that is chance, and it may as well grow; else ranks cluster there, and only more spare slots end that.
            var isFilled = table.Count * 10L >= table.Capacity * (long)FilledTenths;
            Rebuild(ref table, isFilled ? table.Capacity + (table.Capacity / 8) : table.Capacity, isFilled ? table.Spare : table.Spare * 2);
            slot = Seek(table, entry.Hash);
        }

        return false;
    }

    /// <summary>Turns the entry of a hash to another place, if it is still where the caller last knew it. Its expiry stays.</summary>
    /// <param name="hash">The hash.</param>
    /// <param name="expectedPlace">Where it should be; flags do not count.</param>
    /// <param name="to">The new place, with its flags.</param>
    /// <returns>Whether it was there.</returns>
    public bool TryUpdate(ulong hash, SegmentLocation expectedPlace, SegmentLocation to)
    {
        ref var table = ref TableFor(hash);
        var slot = Seek(table, hash);
        if (!slot->IsOf(hash) || !slot->Entry.Location.SamePlace(expectedPlace))
        {
            return false;
        }

        slot->Put(slot->Entry with { Location = to });
        return true;
    }

    /// <summary>Removes the entry of a hash.</summary>
    /// <returns>Whether there was one.</returns>
    public bool Remove(ulong hash, out IndexEntry removed)
    {
        ref var table = ref TableFor(hash);
        var slot = Seek(table, hash);
        if (!slot->IsOf(hash))
        {
            removed = default;
            return false;
        }

        removed = slot->Entry;
        Take(ref table, slot);
        ShrinkIfSparse(ref table);
        return true;
    }

    /// <summary>Shows every entry of a table to a visitor, each once, and does with it as the visitor says.</summary>
    public void Visit<TVisitor>(int table, ref TVisitor visitor)
        where TVisitor : struct, IIndexVisitor, allows ref struct
    {
        ArgumentOutOfRangeException.ThrowIfNegative(table);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(table, TableCount);
        ObjectDisposedException.ThrowIf(tables == null, this);
        ref var visited = ref tables[table];

        // From back to front: taking one moves only entries that have been visited.
        for (var slot = visited.Slots + visited.Capacity + visited.Spare - 1; slot >= visited.Slots; slot--)
        {
            if (slot->IsEmpty)
            {
                continue;
            }

            var entry = slot->Entry;
            var action = visitor.Visit(ref entry);
            if (action == IndexAction.Remove)
            {
                Take(ref visited, slot);
            }
            else if (action == IndexAction.Update)
            {
                if (entry.Hash != slot->Hash || entry.Location.Bits == ulong.MaxValue)
                {
                    throw new InvalidOperationException("A visitor may change an entry's location and expiry, not its hash.");
                }

                slot->Put(entry);
            }
        }

        ShrinkIfSparse(ref visited);
    }

    /// <summary>Removes all entries and gives their memory back.</summary>
    public void Clear()
    {
        ObjectDisposedException.ThrowIf(tables == null, this);
        for (var i = 0; i < TableCount; i++)
        {
            Rebuild(ref tables[i], 0, 0);
        }
    }

    /// <summary>Recounts everything and throws where an invariant does not hold. For tests.</summary>
    public void CheckInvariants()
    {
        var count = 0L;
        var held = (long)TableCount * sizeof(Table);
        for (var i = 0; i < TableCount; i++)
        {
            CheckTable(i);
            count += tables[i].Count;
            held += tables[i].HeldBytes;
        }

        Invariant.Holds(count == Count, $"the index counts its {count} entries, not {Count}");
        Invariant.Holds(held == HeldBytes, $"the index knows the {held} bytes that it holds, not {HeldBytes}");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private ref Table TableFor(ulong hash)
    {
        ObjectDisposedException.ThrowIf(tables == null, this);
        return ref tables[hash >> tableShift];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong Rank(ulong hash) => hash * factor;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Home(ulong rank, int capacity) => (long)Math.BigMul(rank, (ulong)capacity, out _);

    /// <summary>The slot of a hash, or the one that it would have to come into: empty, or of the next higher rank.</summary>
    private Slot* Seek(in Table table, ulong hash)
    {
        var rank = Rank(hash);
        var slot = table.Slots + Home(rank, table.Capacity);
        while (!slot->IsEmpty && Rank(slot->Hash) < rank)
        {
            slot++;
        }

        return slot;
    }

    private bool TryInsert(ref Table table, Slot* slot, in IndexEntry entry)
    {
        var end = slot;
        while (!end->IsEmpty)
        {
            end++;
        }

        if (end == table.Slots + table.Capacity + table.Spare)
        {
            return false;
        }

        var moved = (end - slot) * sizeof(Slot);
        Buffer.MemoryCopy(slot, slot + 1, moved, moved);
        slot->Put(entry);
        table.Count++;
        Count++;
        return true;
    }

    private void Take(ref Table table, Slot* slot)
    {
        var end = slot + 1;
        while (!end->IsEmpty && Home(Rank(end->Hash), table.Capacity) != end - table.Slots)
        {
            end++;
        }

        var moved = (end - slot - 1) * sizeof(Slot);
        Buffer.MemoryCopy(slot + 1, slot, moved, moved);
        end[-1] = default;
        table.Count--;
        Count--;
    }

    private void ShrinkIfSparse(ref Table table)
    {
        if (table.Count * 10L >= table.Capacity * (long)MinTenths)
        {
            return;
        }

        if (table.Count == 0)
        {
            Rebuild(ref table, 0, 0);
        }
        else if (table.Capacity > FirstCapacity)
        {
            Rebuild(ref table, Math.Max(FirstCapacity, (int)(table.Count * 10L / 7)), table.Spare);
        }
    }

    /// <summary>Moves a table's entries to new memory; none of them where the capacity is 0.</summary>
    private void Rebuild(ref Table table, int capacity, int spare)
    {
        var rebuilt = new Table { Slots = empty };
        while (capacity > 0 && !TryCopy(table, capacity, spare, out rebuilt))
        {
            spare *= 2;
        }

        if (table.Slots != empty)
        {
            NativeMemory.Free(table.Slots);
        }

        HeldBytes += rebuilt.HeldBytes - table.HeldBytes;
        Count += rebuilt.Count - table.Count;
        table = rebuilt;
    }

    private bool TryCopy(in Table source, int capacity, int spare, out Table copy)
    {
        var slots = (Slot*)NativeMemory.AllocZeroed((nuint)capacity + (nuint)spare + 1, (nuint)sizeof(Slot));
        var next = slots;
        var end = slots + capacity + spare;
        var from = source.Slots;
        for (var left = source.Count; left > 0; from++)
        {
            if (from->IsEmpty)
            {
                continue;
            }

            var home = slots + Home(Rank(from->Hash), capacity);
            next = home > next ? home : next;
            if (next == end)
            {
                NativeMemory.Free(slots);
                copy = default;
                return false;
            }

            *next++ = *from;
            left--;
        }

        copy = new Table { Slots = slots, Capacity = capacity, Spare = spare, Count = source.Count };
        return true;
    }

    private void CheckTable(int number)
    {
        ref var table = ref tables[number];
        var count = 0;
        var previous = 0UL;
        for (var i = 0; i < table.Capacity + table.Spare; i++)
        {
            var slot = table.Slots + i;
            if (slot->IsEmpty)
            {
                continue;
            }

            var rank = Rank(slot->Hash);
            var home = Home(rank, table.Capacity);
            Invariant.Holds(TableOf(slot->Hash) == number, "an entry is in the table of its hash");
            Invariant.Holds(count == 0 || rank > previous, "ranks rise");
            Invariant.Holds(home <= i, "no entry lies before its home");
            Invariant.Holds(home == i || !slot[-1].IsEmpty, "no slot is empty between an entry and its home");
            previous = rank;
            count++;
        }

        Invariant.Holds(table.Slots[table.Capacity + table.Spare].IsEmpty, "the last slot is empty");
        Invariant.Holds(count == table.Count, "a table counts its entries");
        Invariant.Holds(count * 10L <= table.Capacity * (long)MaxTenths, "a table is not overfull");
        Invariant.Holds(table.Capacity <= FirstCapacity || count * 10L >= table.Capacity * (long)MinTenths, "a table is not sparse");
    }

    private void Free()
    {
        if (tables == null)
        {
            return;
        }

        for (var i = 0; i < TableCount; i++)
        {
            if (tables[i].Slots != empty)
            {
                NativeMemory.Free(tables[i].Slots);
            }
        }

        NativeMemory.Free(tables);
        NativeMemory.Free(empty);
        tables = null;
        Count = 0;
        HeldBytes = 0;
    }

    private struct Table
    {
        public Slot* Slots;
        public int Capacity;
        public int Spare;
        public int Count;

        public readonly long HeldBytes => Capacity == 0 ? 0 : (Capacity + Spare + 1L) * sizeof(Slot);
    }

    [StructLayout(LayoutKind.Sequential, Pack = 4)]
    private struct Slot
    {
        public ulong Hash;
        private ulong inverted;
        private uint expiresAtSeconds;

        public readonly bool IsEmpty => inverted == 0;

        public readonly IndexEntry Entry => new(Hash, new SegmentLocation(~inverted), expiresAtSeconds);

        public readonly bool IsOf(ulong hash) => Hash == hash && inverted != 0;

        public void Put(in IndexEntry entry)
        {
            Hash = entry.Hash;
            inverted = ~entry.Location.Bits;
            expiresAtSeconds = entry.ExpiresAtSeconds;
        }
    }
}
