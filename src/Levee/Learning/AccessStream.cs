using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace Levee.Learning;

/// <summary>
/// What a front door reports to a cache's prefetcher, on the way there: a ring of slots of one size. Reporting claims a slot with one compare-and-swap and waits for nobody; where all slots are taken the access is
/// dropped and counted. Every access has a number, those that were dropped too, so whoever reads the batches sees what is missing.
/// <para>
/// The ring is Vyukov's bounded queue: each slot has a turn. A slot whose turn is a position may be claimed for it; the position's successor says that it has been written; once it has been read its turn is that of the
/// next round. A slot also notes how many accesses had been dropped when it was written. Two that are written at the same time may note it in the wrong order, so the reader takes the largest so far.
/// </para>
/// </summary>
[SuppressMessage("Naming", "CA1711", Justification = "A stream of accesses, as the field calls it; not one of bytes.")]
public sealed class AccessStream : IAccessSink
{
    /// <summary>Slots where no other number is given.</summary>
    public const int DefaultCapacity = 1024;

    private const int DroppedBytes = 8;
    private const int SlotBytes = DroppedBytes + KeyList.EntryHeadBytes + KeyList.MaxKeyBytes;

    private readonly byte[] slots;
    private readonly long[] turns;
    private readonly byte[] batch = new byte[KeyList.MessageBytes - 1];
    private readonly Lock taking = new();
    private long claimed;
    private long dropped;
    private long taken;
    private long droppedBefore;

    /// <param name="frontDoor">Names this front door among all of the cluster, over restarts too: a random number.</param>
    /// <param name="capacity">How many accesses wait at the most, 2 to 65,536, a power of two; each takes 282 bytes of memory.</param>
    public AccessStream(ulong frontDoor, int capacity = DefaultCapacity)
    {
        if (capacity is < 2 or > 65_536 || !BitOperations.IsPow2(capacity))
        {
            throw new ArgumentException($"The capacity is {capacity}; allowed: a power of two from 2 to 65536.", nameof(capacity));
        }

        FrontDoor = frontDoor;
        slots = GC.AllocateUninitializedArray<byte>(capacity * SlotBytes);
        turns = new long[capacity];
        for (var i = 0; i < capacity; i++)
        {
            turns[i] = i;
        }
    }

    /// <summary>The front door's number.</summary>
    public ulong FrontDoor { get; }

    /// <summary>How many accesses were reported, dropped ones included.</summary>
    public long Reported => Interlocked.Read(ref claimed) + Dropped;

    /// <summary>How many of them were dropped: there was no room, or the key was longer than <see cref="KeyList.MaxKeyBytes"/>.</summary>
    public long Dropped => Interlocked.Read(ref dropped);

    /// <inheritdoc/>
    public void Report(ReadOnlySpan<byte> key, ulong hash, AccessKind kind)
    {
        if (key.Length > KeyList.MaxKeyBytes || !TryClaim(out var position))
        {
            Interlocked.Increment(ref dropped);
            return;
        }

        var index = (int)position & (turns.Length - 1);
        var slot = slots.AsSpan(index * SlotBytes, SlotBytes);
        BinaryPrimitives.WriteInt64LittleEndian(slot, Interlocked.Read(ref dropped));
        KeyList.Write(slot[DroppedBytes..], key, hash, kind);
        Volatile.Write(ref turns[index], position + 1);
    }

    /// <summary>Takes what has been reported, up to a batch. Safe for threads; batches are in order.</summary>
    /// <returns>Whether there was anything.</returns>
    public bool TryTake(out AccessBatch taken)
    {
        lock (taking)
        {
            return TryFill(out taken);
        }
    }

    private bool TryClaim(out long position)
    {
        position = Volatile.Read(ref claimed);
        while (true)
        {
            var turn = Volatile.Read(ref turns[(int)position & (turns.Length - 1)]);
            if (turn < position)
            {
                return false;
            }

            var seen = turn == position ? Interlocked.CompareExchange(ref claimed, position + 1, position) : Volatile.Read(ref claimed);
            if (turn == position && seen == position)
            {
                return true;
            }

            position = seen;
        }
    }

    /// <summary>A batch ends where accesses were dropped: its sequence number stands for all that is in it.</summary>
    private bool TryFill(out AccessBatch filled)
    {
        var length = AccessBatch.HeadBytes;
        var count = 0;
        var sequence = 0L;
        while (true)
        {
            var index = (int)taken & (turns.Length - 1);
            if (Volatile.Read(ref turns[index]) != taken + 1)
            {
                break;
            }

            ReadOnlySpan<byte> slot = slots.AsSpan(index * SlotBytes, SlotBytes);
            var lost = Math.Max(droppedBefore, BinaryPrimitives.ReadInt64LittleEndian(slot));
            var entry = slot.Slice(DroppedBytes, KeyList.EntryLength(slot[DroppedBytes..]));
            if (count > 0 && (lost != droppedBefore || entry.Length > batch.Length - length))
            {
                break;
            }

            sequence = count == 0 ? taken + lost : sequence;
            droppedBefore = lost;
            entry.CopyTo(batch.AsSpan(length));
            length += entry.Length;
            count++;
            Volatile.Write(ref turns[index], taken + turns.Length);
            taken++;
        }

        if (count == 0)
        {
            filled = default;
            return false;
        }

        batch[0] = AccessBatch.Version;
        BinaryPrimitives.WriteUInt64LittleEndian(batch.AsSpan(1), FrontDoor);
        BinaryPrimitives.WriteInt64LittleEndian(batch.AsSpan(9), sequence);
        BinaryPrimitives.WriteUInt16LittleEndian(batch.AsSpan(17), (ushort)count);
        filled = new AccessBatch(FrontDoor, sequence, count, batch[..length]);
        return true;
    }
}
