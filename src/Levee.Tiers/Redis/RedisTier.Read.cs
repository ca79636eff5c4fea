using Levee.Codec;
using Levee.Memory;
using Levee.Segments;

namespace Levee.Tiers.Redis;

/// <content>Reading: what the index says before the question and after the answer must be the same, or the read begins anew.</content>
public sealed partial class RedisTier
{
    private const int MaxAttempts = 8;

    private readonly ReadPool readPool;

    /// <inheritdoc/>
    public ValueTask<TierRead> ReadAsync(ulong hash, ReadOnlyMemory<byte>? key, CancellationToken cancellation) =>
        cancellation.IsCancellationRequested ? ValueTask.FromCanceled<TierRead>(cancellation) : ReadAsync(hash, key);

    /// <summary>Reads a hash's record; with a key, only if it is that key's. Not to be cancelled: the command's time-out bounds it, and the key is borrowed until then.</summary>
    private ValueTask<TierRead> ReadAsync(ulong hash, ReadOnlyMemory<byte>? key)
    {
        var call = readPool.Rent();
        call.Hash = hash;
        call.Key = key;
        call.AskedAt = time.GetTimestamp();
        if (Ask(call, out var read))
        {
            return call.Task;
        }

        readPool.Return(call);
        return new ValueTask<TierRead>(read);
    }

    /// <summary>Looks the hash up and, where Redis must be asked, asks.</summary>
    /// <returns>False where the read has ended.</returns>
    private bool Ask(ReadCall call, out TierRead read)
    {
        RentedRecord? copy = null;
        LargeValue? large = null;
        read = default;
        RedisLink? connected;
        RedisNames asked;
        lock (gate)
        {
            call.IsKnown = presence.TryFind(call.Hash, out var entry);
            if (isStopped || (call.IsKnown ? !IsLive(entry) : !isListing))
            {
                Interlocked.Increment(ref misses);
                return false;
            }

            call.Place = entry.Location;
            if (call.IsKnown && entry.Location.IsInBuffer)
            {
                copy = CopyBuffered(FullTicket(entry.Location), out large);
                presence.Move(call.Hash, entry.Location, entry.Location.With(entry.Location.Flags | LocationFlags.Referenced));
            }

            connected = link;
            asked = names;
        }

        if (copy is not null)
        {
            FinishCopy(copy, large);
            read = Match(call, copy);
            return false;
        }

        if (connected is null || breaker.IsOpen || ++call.Attempts > MaxAttempts)
        {
            Interlocked.Increment(ref failures);
            read = TierRead.Failed;
            return false;
        }

        Interlocked.Increment(ref readRequests);
        if (!connected.TryGet(asked, call.Hash, call))
        {
            Interlocked.Increment(ref failures);
            read = TierRead.Failed;
            return false;
        }

        return true;
    }

    /// <summary>Looks at the answer of a read, on a thread of the pool.</summary>
    internal void Verify(ReadCall call)
    {
        NoteReadTime(call.AskedAt);
        var found = call.Record;
        call.Record = null;
        TierRead read;
        if (call.Error != RedisErrorKind.None)
        {
            Interlocked.Increment(ref failures);
            if (call.Error != RedisErrorKind.Unknown)
            {
                breaker.Report(call.Error);
            }

            read = TierRead.Failed;
        }
        else
        {
            var finding = Decode(call.Hash, ref found);
            if (!IsSameAsAsked(call, finding, found))
            {
                found?.Dispose();
                if (Ask(call, out read))
                {
                    return;
                }
            }
            else if (finding != Finding.Record)
            {
                found?.Dispose();
                Interlocked.Increment(ref misses);
                read = TierRead.Absent;
            }
            else
            {
                Interlocked.Add(ref readBytes, found!.Length);
                read = Match(call, found);
            }
        }

        call.Complete(read);
    }

    /// <summary>Takes a read back that was awaited.</summary>
    internal void Return(ReadCall call) => readPool.Return(call);

    /// <summary>
    /// Whether what the index says is still what it said when Redis was asked; if so, notes what the answer tells: there is nothing, it is damaged, it is void by a clear, or it is a hit.
    /// </summary>
    private bool IsSameAsAsked(ReadCall call, Finding finding, RentedRecord? plain)
    {
        lock (gate)
        {
            var isKnown = presence.TryFind(call.Hash, out var entry);
            if (isKnown != call.IsKnown || (isKnown ? !entry.Location.SamePlace(call.Place) || !IsLive(entry) : !isListing))
            {
                return false;
            }

            if (finding == Finding.Damage)
            {
                MakeVoid(call.Hash, ulong.MaxValue);
            }
            else if (finding == Finding.Nothing)
            {
                if (isKnown)
                {
                    ForgetMissing(call.Hash);
                }
            }
            else if (finding == Finding.Undecodable)
            {
                // The codec counts it. Another key may read it one day, so it stays.
            }
            else if (TierRecord.Version(plain!.Span) <= clears[PartitionOf(call.Hash)].Version)
            {
                MakeVoid(call.Hash, ulong.MaxValue);
                return false;
            }
            else if (isKnown)
            {
                var tagged = TierRecord.TryRead(plain.Span, out var record) && record.Tags.IsEmpty ? LocationFlags.None : LocationFlags.Tagged;
                presence.Move(call.Hash, entry.Location, entry.Location.With((entry.Location.Flags & ~LocationFlags.Tagged) | LocationFlags.Referenced | tagged));
            }

            return true;
        }
    }

    // Redis has let it go by itself: it has expired, or was evicted there.
    private void ForgetMissing(ulong hash)
    {
        if (isListing)
        {
            MarkVoid(hash, 0);
        }
        else
        {
            presence.Remove(hash);
        }
    }

    /// <summary>Makes what Redis gave a plain record.</summary>
    private Finding Decode(ulong hash, ref RentedRecord? record)
    {
        if (record is null)
        {
            return Finding.Nothing;
        }

        var stored = record.Span;
        if (!TierRecord.IsSound(stored) || TierRecord.Type(stored) != TierRecordType.Entry || TierRecord.Hash(stored) != hash)
        {
            Interlocked.Increment(ref damaged);
            return Finding.Damage;
        }

        if (ReferenceEquals(context.Codec, RecordCodec.Plain) && TierRecord.Codec(stored) == 0)
        {
            record.Length = TierRecord.Length(stored);
            return Finding.Record;
        }

        var plainBody = TierRecord.PlainBodyLength(stored);
        if (plainBody is < 0 or > TierRecord.MaxBytes)
        {
            return Finding.Undecodable;
        }

        var plain = new RentedRecord(TierRecord.HeaderBytes + plainBody);
        if (!context.Codec.TryDecode(stored, plain.Span))
        {
            plain.Dispose();
            return Finding.Undecodable;
        }

        record.Dispose();
        record = plain;
        return Finding.Record;
    }

    /// <summary>The read of a plain record: absent where it is another key's, or has expired.</summary>
    private TierRead Match(ReadCall call, RentedRecord plain)
    {
        if (TierRecord.TryRead(plain.Span, out var entry) && (call.Key is not { } key || entry.Key.SequenceEqual(key.Span)) && entry.ExpiresAt > NowMs())
        {
            Interlocked.Increment(ref hits);
            return TierRead.Found(plain);
        }

        plain.Dispose();
        Interlocked.Increment(ref misses);
        return TierRead.Absent;
    }

    /// <summary>Copies a record that waits, under the lock; a large value is only taken hold of.</summary>
    private RentedRecord? CopyBuffered(long ticket, out LargeValue? large)
    {
        large = null;
        if (!buffer.TryRead(ticket, out var waiting))
        {
            return null;
        }

        var copy = new RentedRecord(waiting.PlainLength);
        waiting.Record.CopyTo(copy.Span);
        large = waiting.Large;
        large?.AddReference();
        return copy;
    }

    private static void FinishCopy(RentedRecord copy, LargeValue? large)
    {
        var plain = copy.Span;
        if (large is not null)
        {
            LargeRecord.Complete(plain, large);
            large.Release();
        }

        TierRecord.Seal(plain);
    }

    private enum Finding
    {
        Nothing,
        Damage,
        Undecodable,
        Record,
    }
}
