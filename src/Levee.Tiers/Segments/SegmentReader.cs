using System.Diagnostics;
using Levee.Codec;
using Levee.Memory;
using Levee.Segments;
using Levee.Tiers.Stores;

namespace Levee.Tiers.Segments;

/// <summary>
/// Reads a record: finds its place under the tier's lock, copies or reads it without the lock, and gives it out only if it is sound and the key's, where one is given. A place that is gone by then is looked up again.
/// </summary>
internal sealed class SegmentReader(SegmentLog log, ISegmentStore store, RecordCodec codec)
{
    private const int MaxLookups = 4;

    private enum PlaceKind
    {
        None,
        Buffer,
        Local,
        Store,
    }

    public ValueTask<TierRead> ReadAsync(ulong hash, ReadOnlyMemory<byte>? key, CancellationToken cancellation)
    {
        if (!log.HoldsAnything)
        {
            log.Counters.Miss();
            return ValueTask.FromResult(TierRead.Absent);
        }

        var place = Locate(hash);
        return place.Kind switch
        {
            PlaceKind.None => ValueTask.FromResult(Absent()),
            PlaceKind.Buffer => ValueTask.FromResult(OfBuffer(place, key)),
            PlaceKind.Local => ValueTask.FromResult(OfLocal(place, key)),
            _ => ReadStoreAsync(place, hash, key, cancellation),
        };
    }

    /// <summary>The plain record of an encoded one, if it is sound and a whole entry; null else.</summary>
    public RentedRecord? Decode(ReadOnlySpan<byte> encoded)
    {
        if (!TierRecord.IsSound(encoded) || TierRecord.Type(encoded) != TierRecordType.Entry)
        {
            return null;
        }

        var plainLength = TierRecord.PlainBodyLength(encoded);
        if ((uint)plainLength > TierRecord.MaxBytes - TierRecord.HeaderBytes)
        {
            return null;
        }

        var plain = new RentedRecord(TierRecord.HeaderBytes + plainLength);
        if (codec.TryDecode(encoded[..TierRecord.Length(encoded)], plain.Span))
        {
            return plain;
        }

        plain.Dispose();
        return null;
    }

    private Place Locate(ulong hash)
    {
        lock (log.Gate)
        {
            if (!log.TryFind(hash, out var entry) || (entry.Location.Flags & LocationFlags.Void) != 0)
            {
                return default;
            }

            if (entry.IsExpired(log.NowMs) || log.Clears.IsCleared(hash, entry.Location))
            {
                log.Drop(entry);
                return default;
            }

            if (entry.Location.IsInBuffer)
            {
                return CopyBuffered(entry);
            }

            var info = log.Table.Find(entry.Location.Sequence);
            if (info is null)
            {
                return default;
            }

            if ((entry.Location.Flags & LocationFlags.Referenced) == 0)
            {
                log.Turn(entry, entry.Location.With(entry.Location.Flags | LocationFlags.Referenced));
            }

            return info.Local is { } local
                ? new Place { Kind = PlaceKind.Local, Entry = entry, Local = local.Lease() }
                : new Place { Kind = PlaceKind.Store, Entry = entry, Name = info.Name };
        }
    }

    private Place CopyBuffered(in IndexEntry entry)
    {
        if (!log.Buffer.TryRead(entry.Location.Ticket, out var buffered))
        {
            return default;
        }

        var plain = new RentedRecord(buffered.PlainLength);
        if (buffered.Large is not { } large)
        {
            buffered.Record.CopyTo(plain.Span);
            return new Place { Kind = PlaceKind.Buffer, Entry = entry, Plain = plain };
        }

        // A long copy is not for the lock: the reference keeps the value until it has been made.
        large.AddReference();
        buffered.Record.CopyTo(plain.Span);
        return new Place { Kind = PlaceKind.Buffer, Entry = entry, Plain = plain, Large = large };
    }

    private TierRead OfBuffer(in Place place, ReadOnlyMemory<byte>? key)
    {
        var plain = place.Plain!;
        if (place.Large is { } large)
        {
            LargeRecord.Complete(plain.Span, large);
            large.Release();
        }

        return Matching(plain, place.Entry, key);
    }

    private TierRead OfLocal(in Place place, ReadOnlyMemory<byte>? key)
    {
        try
        {
            return Finish(place, place.Local!.Read(place.Entry.Location.Offset, place.Entry.Location.LengthAtMost), key);
        }
        finally
        {
            place.Local!.Release();
        }
    }

    private ValueTask<TierRead> ReadStoreAsync(Place place, ulong hash, ReadOnlyMemory<byte>? key, CancellationToken cancellation)
    {
        var started = Stopwatch.GetTimestamp();
        var encoded = new RentedRecord(place.Entry.Location.LengthAtMost);
        var reading = store.ReadAsync(place.Name!, place.Entry.Location.Offset, encoded.Memory, cancellation);
        if (!reading.IsCompletedSuccessfully || reading.GetAwaiter().GetResult() is not (>= 0 and var count))
        {
            return AwaitAsync(reading.IsCompletedSuccessfully ? ValueTask.FromResult(-1) : reading, encoded, place, hash, key, started, cancellation);
        }

        using (encoded)
        {
            log.Counters.Read(count, Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            return ValueTask.FromResult(Finish(place, encoded.Span[..count], key));
        }
    }

    private async ValueTask<TierRead> AwaitAsync(
        ValueTask<int> reading, RentedRecord encoded, Place place, ulong hash, ReadOnlyMemory<byte>? key, long started, CancellationToken cancellation)
    {
        try
        {
            for (var lookup = 1; ; lookup++)
            {
                var count = await reading.ConfigureAwait(false);
                log.Counters.Read(count, Stopwatch.GetElapsedTime(started).TotalMilliseconds);
                if (count >= 0)
                {
                    return Finish(place, encoded.Span[..count], key);
                }

                var again = Locate(hash);
                switch (again.Kind)
                {
                    case PlaceKind.None:
                        return Absent();
                    case PlaceKind.Buffer:
                        return OfBuffer(again, key);
                    case PlaceKind.Local:
                        return OfLocal(again, key);
                    case PlaceKind.Store when lookup == MaxLookups || again.Entry.Location.SamePlace(place.Entry.Location):
                        return Damaged(again.Entry);
                    default:
                        break;
                }

                place = again;
                encoded.Dispose();
                encoded = new RentedRecord(place.Entry.Location.LengthAtMost);
                started = Stopwatch.GetTimestamp();
                reading = store.ReadAsync(place.Name!, place.Entry.Location.Offset, encoded.Memory, cancellation);
            }
        }
        catch (Exception failure) when (failure is IOException or TimeoutException or UnauthorizedAccessException)
        {
            log.Counters.Failure();
            return TierRead.Failed;
        }
        finally
        {
            encoded.Dispose();
        }
    }

    private TierRead Finish(in Place place, ReadOnlySpan<byte> encoded, ReadOnlyMemory<byte>? key)
    {
        if (Decode(encoded) is not { } plain || TierRecord.Hash(plain.Span) != place.Entry.Hash)
        {
            return Damaged(place.Entry);
        }

        return Matching(plain, place.Entry, key);
    }

    private TierRead Matching(RentedRecord plain, in IndexEntry place, ReadOnlyMemory<byte>? key)
    {
        if (TierRecord.TryRead(plain.Span, out var entry) && (key is not { } wanted || entry.Key.SequenceEqual(wanted.Span)))
        {
            log.Counters.Hit();
            return TierRead.Found(plain, (place.Location.Flags & LocationFlags.Referenced) != 0);
        }

        plain.Dispose();
        return Absent();
    }

    /// <summary>The record cannot be had: it is voided for good, for it may be readable again at the next start.</summary>
    private TierRead Damaged(in IndexEntry entry)
    {
        lock (log.Gate)
        {
            if (log.TryFind(entry.Hash, out var current) && current.Location.SamePlace(entry.Location))
            {
                log.Counters.Damaged++;
                log.Bury(current, ulong.MaxValue);
            }
        }

        return Absent();
    }

    private TierRead Absent()
    {
        log.Counters.Miss();
        return TierRead.Absent;
    }

    private struct Place
    {
        public PlaceKind Kind;
        public IndexEntry Entry;
        public OpenSegment? Local;
        public string? Name;
        public RentedRecord? Plain;
        public LargeValue? Large;
    }
}
