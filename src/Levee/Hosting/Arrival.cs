using System.Diagnostics;
using Levee.Memory;
using Levee.Partitions;

namespace Levee.Hosting;

/// <summary>
/// Pulls a partition's contents from a frozen copy: chunk by chunk, a few asked for ahead, as there is memory; and key by key for those who cannot wait. Holds the partition for short slices only.
/// </summary>
internal sealed class Arrival : IDisposable
{
    internal const int ItemsPerSlice = 64;

    private const int RoomAttempts = 20;
    private static readonly TimeSpan RoomDelay = TimeSpan.FromMilliseconds(5);

    private readonly LockHost host;
    private readonly Slot slot;
    private readonly Partition partition;
    private readonly int number;
    private readonly IPartitionSource source;
    private readonly MoveOptions options;
    private readonly TimeProvider time;
    private readonly CancellationTokenSource stopping = new();
    private readonly TaskCompletionSource<ArrivalReport?> over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock counting = new();
    private readonly long began;
    private readonly PartitionHeader header;
    private ArrivalReport report;
    private long seen;
    private long fromKeys;
    private long noRoom;
    private int asking;
    private LargePart large;

    public Arrival(LockHost host, Slot slot, Partition partition, int number, long epoch, PartitionHeader header, IPartitionSource source)
    {
        this.host = host;
        this.slot = slot;
        this.partition = partition;
        this.number = number;
        this.header = header;
        this.source = source;
        options = host.Moves;
        time = host.Time;
        began = time.GetTimestamp();
        report = new ArrivalReport { Partition = number, Epoch = epoch, Entries = header.Entries };
    }

    /// <summary>Completes when it is over.</summary>
    public Task<ArrivalReport?> Over => over.Task;

    /// <summary>What has come.</summary>
    public ArrivalReport Report
    {
        get
        {
            lock (counting)
            {
                return report.IsOver ? report : report with { Time = time.GetElapsedTime(began) };
            }
        }
    }

    /// <summary>To be called when it is over.</summary>
    public void Dispose() => stopping.Dispose();

    /// <summary>Begins to pull.</summary>
    /// <param name="pulls">Bounds how many partitions are pulled at a time.</param>
    public void Begin(SemaphoreSlim pulls) => _ = Task.Run(() => RunAsync(pulls));

    /// <summary>Ends it: what has not come is lost.</summary>
    public void GiveUp(string problem)
    {
        lock (counting)
        {
            if (report.IsOver)
            {
                return;
            }

            report = report.Problem.Length > 0 ? report : report with { Problem = problem };
        }

        stopping.Cancel();
    }

    /// <summary>Asks the frozen copy for a key and brings what it says to the partition.</summary>
    public void Load(Effect effect)
    {
        Interlocked.Increment(ref asking);
        _ = LoadAsync(effect).ContinueWith(_ => Interlocked.Decrement(ref asking), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private async Task RunAsync(SemaphoreSlim pulls)
    {
        try
        {
            await WaitForTurnAsync(pulls).ConfigureAwait(false);
            try
            {
                await PullAsync().ConfigureAwait(false);
            }
            finally
            {
                pulls.Release();
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Given up; the report says why.
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            lock (counting)
            {
                report = report with { Problem = $"the copy does not answer as it should: {failure.Message}" };
            }
        }

        large.Value?.Release();
        await EndAsync().ConfigureAwait(false);
    }

    /// <summary>A copy that nobody reads drops itself, so it is read now and then while others are pulled first.</summary>
    private async Task WaitForTurnAsync(SemaphoreSlim pulls)
    {
        var turn = pulls.WaitAsync(stopping.Token);
        while (!turn.IsCompleted)
        {
            try
            {
                await turn.WaitAsync(options.FrozenIdle / 4, time, stopping.Token).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                await TouchAsync().ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                break; // The turn may have come in the same moment; then it is given back.
            }
        }

        await turn.ConfigureAwait(false);
    }

    private async Task TouchAsync()
    {
        try
        {
            _ = await ReadChunkAsync(0).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            // Where the copy is lost, or the arrival over, the pull will find out.
        }
    }

    private async Task EndAsync()
    {
        ArrivalEnd end;
        var isWhole = Report.Problem.Length == 0;
        lock (slot.Gate)
        {
            partition.EndArrival(isWhole ? ArrivalEnd.Complete : ArrivalEnd.Lost);
            end = partition.Arrival;
        }

        if (!isWhole)
        {
            await stopping.CancelAsync().ConfigureAwait(false);
        }

        // Who asked for a key before the end still has the copy to answer; each of these calls is bounded.
        while (IsAsked())
        {
            await Task.Delay(RoomDelay, time).ConfigureAwait(false);
        }

        try
        {
            await source.DropAsync().AsTask().WaitAsync(options.CallTimeout, time).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            // The copy drops itself when nobody reads it.
        }

        lock (counting)
        {
            var missing = end is ArrivalEnd.Complete or ArrivalEnd.Cleared ? 0 : Math.Max(0, header.Entries - seen - fromKeys);
            report = report with
            {
                IsOver = true,
                Lost = noRoom + missing,
                Time = time.GetElapsedTime(began),
                Problem = end == ArrivalEnd.Overflowed ? "more keys were written than can be remembered" : report.Problem,
            };
        }

        over.TrySetResult(Report);
    }

    private async Task PullAsync()
    {
        var asked = new Queue<Task<byte[]>>();
        var position = 0L;
        try
        {
            while (true)
            {
                while (asked.Count < Math.Max(1, options.ChunksAhead))
                {
                    asked.Enqueue(ReadChunkAsync(position++));
                }

                var chunk = await asked.Dequeue().ConfigureAwait(false);
                if (!await TakeInAsync(chunk).ConfigureAwait(false) || MoveChunk.ReadUnchecked(chunk).Next < 0)
                {
                    return;
                }
            }
        }
        finally
        {
            foreach (var unused in asked)
            {
                _ = unused.ContinueWith(static ended => ended.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            }
        }
    }

    private Task<byte[]> ReadChunkAsync(long position) => AskAsync(async cancellation =>
    {
        var bytes = await source.ReadChunkAsync(position, cancellation).ConfigureAwait(false);
        var got = MoveChunk.Read(bytes).Position;
        return got == position ? bytes : throw new FormatException($"Chunk {got} came where {position} was asked for.");
    });

    private async Task<byte[]> AskAsync(Func<CancellationToken, Task<byte[]>> ask)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var bytes = await ask(stopping.Token).WaitAsync(options.CallTimeout, time, stopping.Token).ConfigureAwait(false);
                lock (counting)
                {
                    report = report with { Bytes = report.Bytes + bytes.Length };
                }

                return bytes;
            }
            catch (Exception failure) when (failure is not OutOfMemoryException && !stopping.IsCancellationRequested && attempt < options.Attempts)
            {
                lock (counting)
                {
                    report = report with { Retries = report.Retries + 1 };
                }

                await Task.Delay(options.RetryDelay, time, stopping.Token).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Takes a chunk in, slice by slice.</summary>
    /// <returns>False where nothing more is to come.</returns>
    private async Task<bool> TakeInAsync(byte[] chunk)
    {
        var place = new Place(0, 0);
        var stored = 0;
        var refused = 0;
        var waitedSince = time.GetTimestamp();
        while (true)
        {
            stopping.Token.ThrowIfCancellationRequested();
            host.PrepareRoom();
            var result = host.HasRoomForImport ? TakeSlice(chunk, ref place, ref stored, ref refused, skips: false) : Slice.NoRoom;
            if (result == Slice.NoRoom)
            {
                if (host.MayGainRoom && time.GetElapsedTime(waitedSince) < options.RoomWait)
                {
                    host.Hurry();
                    await Task.Delay(RoomDelay, time, stopping.Token).ConfigureAwait(false);
                    continue;
                }

                result = TakeSlice(chunk, ref place, ref stored, ref refused, skips: true);
            }

            if (result is Slice.Ended or Slice.Over)
            {
                return result == Slice.Ended;
            }

            waitedSince = time.GetTimestamp();
        }
    }

    /// <summary>Takes some items in while the partition is held.</summary>
    private Slice TakeSlice(byte[] chunk, ref Place place, ref int stored, ref int refused, bool skips)
    {
        var items = MoveChunk.ReadUnchecked(chunk);
        var next = PrepareLarge(chunk, items, ref place, ref refused, skips);
        if (next != Slice.More)
        {
            return next == Slice.Taken ? Slice.More : next;
        }

        var end = Math.Min(items.Count, place.Index + ItemsPerSlice);
        Effect[]? taken;
        var result = Slice.More;
        var held = Stopwatch.GetTimestamp();
        var imported = 0;
        var superseded = 0;
        var ghosts = 0;
        lock (slot.Gate)
        {
            if (slot.Partition != partition || !partition.IsArriving)
            {
                return Slice.Over;
            }

            while (place.Index < end)
            {
                var offset = place.Offset;
                var item = items.Item(ref offset);
                if (item.Kind is MoveItemKind.Large or MoveItemKind.Piece)
                {
                    break; // It is put together outside.
                }

                if (item.Kind == MoveItemKind.Ghost)
                {
                    ghosts += partition.ImportGhost(item.Tag, item.Home, item.Weight) ? 1 : 0;
                }
                else
                {
                    var outcome = partition.Import(item, host.Clock.Now);
                    if (outcome == ImportOutcome.NoRoom && !skips)
                    {
                        result = Slice.NoRoom;
                        break;
                    }

                    seen++;
                    imported += outcome == ImportOutcome.Stored ? 1 : 0;
                    superseded += outcome == ImportOutcome.Void ? 1 : 0;
                    refused += outcome == ImportOutcome.NoRoom ? 1 : 0;
                    noRoom += outcome == ImportOutcome.NoRoom ? 1 : 0;
                }

                place = new Place(place.Index + 1, offset);
            }

            taken = partition.HasEffects ? partition.TakeEffects() : null;
            slot.NoteLoads();
        }

        Note(imported, superseded, ghosts, Stopwatch.GetElapsedTime(held));
        stored += imported;
        host.RunEffects(number, taken);
        return result == Slice.NoRoom ? result : place.Index < items.Count ? Slice.More : Slice.Ended;
    }

    /// <summary>Where the next item is a part of a large value: puts it in its place, outside the partition, and hands the value over when it is whole.</summary>
    /// <returns><see cref="Slice.More"/> where it is none.</returns>
    private Slice PrepareLarge(byte[] chunk, MoveChunk items, ref Place place, ref int refused, bool skips)
    {
        if (place.Index >= items.Count)
        {
            return Slice.Ended;
        }

        var offset = place.Offset;
        var item = items.Item(ref offset);
        if (item.Kind is not (MoveItemKind.Large or MoveItemKind.Piece))
        {
            return Slice.More;
        }

        if (item.Kind == MoveItemKind.Large && large.Chunk is null)
        {
            var room = HasRoomFor(item.ValueLength);
            if (!room && !skips && item.ValueLength <= host.LargeValues.MaxValueBytes)
            {
                return Slice.NoRoom;
            }

            large.Value?.Release();
            large = new LargePart(chunk, place.Offset, room ? host.LargeValues.TryCreate(item.ValueLength) : null);
            if (large.Value is null && room && !skips)
            {
                large = default;
                return Slice.NoRoom;
            }
        }
        else if (large.Chunk is null)
        {
            throw new FormatException($"A piece at offset {item.Offset} of a large value came before its beginning.");
        }

        var state = Slice.Taken;
        var begin = item.Kind == MoveItemKind.Large ? 0 : item.Offset;
        if (large.Value is { } value && value.FilledBytes != begin + item.Piece.Length)
        {
            // Else it is here already: the value is whole and waited for room.
            if (value.FilledBytes != begin || item.Piece.Length > value.Length - begin)
            {
                throw new FormatException($"{item.Piece.Length} bytes at offset {begin} of a large value of {value.Length} came where {value.FilledBytes} was next.");
            }

            value.Append(item.Piece);
        }

        var isLast = begin + item.Piece.Length >= LargeLength();
        if (isLast)
        {
            state = HandOver(ref refused, skips);
            if (state != Slice.Taken)
            {
                return state; // It is held until it is taken, or the arrival is over.
            }

            large = default;
        }

        place = new Place(place.Index + 1, offset);
        return state;
    }

    private int LargeLength()
    {
        var offset = large.Offset;
        return MoveChunk.ReadUnchecked(large.Chunk).Item(ref offset).ValueLength;
    }

    private Slice HandOver(ref int refused, bool skips)
    {
        var outcome = ImportOutcome.NoRoom;
        Effect[]? taken = null;
        var held = Stopwatch.GetTimestamp();
        if (large.Value is not null)
        {
            var offset = large.Offset;
            var item = MoveChunk.ReadUnchecked(large.Chunk).Item(ref offset);
            var whole = new MoveItem { Kind = item.Kind, Home = item.Home, Entry = item.Entry.WithLarge(large.Value) };
            lock (slot.Gate)
            {
                if (slot.Partition != partition || !partition.IsArriving)
                {
                    return Slice.Over;
                }

                outcome = partition.Import(whole, host.Clock.Now);
                taken = partition.HasEffects ? partition.TakeEffects() : null;
                slot.NoteLoads();
            }

            if (outcome == ImportOutcome.NoRoom && !skips)
            {
                return Slice.NoRoom;
            }

            if (outcome != ImportOutcome.Stored)
            {
                large.Value.Release();
            }
        }

        seen++;
        refused += outcome == ImportOutcome.NoRoom ? 1 : 0;
        noRoom += outcome == ImportOutcome.NoRoom ? 1 : 0;
        Note(outcome == ImportOutcome.Stored ? 1 : 0, outcome == ImportOutcome.Void ? 1 : 0, 0, Stopwatch.GetElapsedTime(held));
        host.RunEffects(number, taken);
        return Slice.Taken;
    }

    private bool HasRoomFor(int length)
    {
        if (length > host.LargeValues.MaxValueBytes)
        {
            return false;
        }

        lock (slot.Gate)
        {
            return partition.HasRoomForLarge(length);
        }
    }

    private void Note(int imported, int superseded, int ghosts, TimeSpan held)
    {
        lock (counting)
        {
            report = report with
            {
                Received = report.Received + imported,
                Superseded = report.Superseded + superseded,
                Ghosts = report.Ghosts + ghosts,
                LongestSlice = held > report.LongestSlice ? held : report.LongestSlice,
                LongSlices = report.LongSlices + (held.TotalMilliseconds > 1 ? 1 : 0),
            };
        }
    }

    private async Task LoadAsync(Effect effect)
    {
        var outcome = LoadOutcome.Failed;
        try
        {
            var key = effect.Key.ToArray();
            var answer = await AskAsync(async cancellation =>
            {
                var bytes = await source.ReadKeyAsync(key, 0, cancellation).ConfigureAwait(false);
                CheckKey(bytes, key);
                return bytes;
            }).ConfigureAwait(false);
            if (await TryCompleteAsync(effect, key, answer).ConfigureAwait(false))
            {
                return;
            }

            outcome = MoveKey.Read(answer).Outcome == LoadOutcome.NotFound ? LoadOutcome.NotFound : LoadOutcome.Failed;
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            // Without the copy there is nothing any more that the key could be found in.
            outcome = stopping.IsCancellationRequested ? LoadOutcome.NotFound : LoadOutcome.Failed;
        }

        host.Complete(number, effect.Ticket, new LoadResult { Outcome = outcome, IsFromSource = true });
    }

    private static void CheckKey(byte[] bytes, byte[] key)
    {
        var answer = MoveKey.Read(bytes);
        if (answer.Outcome == LoadOutcome.Found && (answer.Item.Kind is not (MoveItemKind.Entry or MoveItemKind.Large) || !answer.Item.Entry.Key.SequenceEqual(key)))
        {
            throw new FormatException("An answer about a key is about another.");
        }
    }

    private async Task<bool> TryCompleteAsync(Effect effect, byte[] key, byte[] answer)
    {
        if (IsInline(answer, out var isFound, out var length))
        {
            if (isFound)
            {
                Complete(effect, answer, null);
            }

            return isFound;
        }

        if (length > host.LargeValues.MaxValueBytes)
        {
            return false;
        }

        LargeValue? value = null;
        for (var attempt = 0; attempt < RoomAttempts && (value = host.LargeValues.TryCreate(length)) is null; attempt++)
        {
            host.Hurry();
            await Task.Delay(RoomDelay, time, stopping.Token).ConfigureAwait(false);
        }

        if (value is null)
        {
            return false;
        }

        var isKept = false;
        try
        {
            value.Append(MoveKey.Read(answer).Item.Piece);
            while (value.FilledBytes < length)
            {
                var offset = value.FilledBytes;
                var bytes = await AskAsync(async cancellation => await source.ReadKeyAsync(key, offset, cancellation).ConfigureAwait(false)).ConfigureAwait(false);
                AppendPiece(value, bytes);
            }

            isKept = Complete(effect, answer, value);
            return true;
        }
        finally
        {
            if (!isKept)
            {
                value.Release();
            }
        }
    }

    private static bool IsInline(byte[] answer, out bool isFound, out int length)
    {
        var read = MoveKey.Read(answer);
        isFound = read.Outcome == LoadOutcome.Found;
        length = read.Item.ValueLength;
        return !isFound || read.Item.Kind == MoveItemKind.Entry;
    }

    private static void AppendPiece(LargeValue value, byte[] bytes)
    {
        var read = MoveKey.Read(bytes);
        if (read.Outcome != LoadOutcome.Found || read.Item.Kind != MoveItemKind.Piece || read.Item.Offset != value.FilledBytes || read.Item.Piece.Length > value.Length - value.FilledBytes)
        {
            throw new FormatException("A piece of a large value does not follow the one before.");
        }

        value.Append(read.Item.Piece);
    }

    private bool Complete(Effect effect, byte[] answer, LargeValue? value)
    {
        var item = MoveKey.Read(answer).Item;
        var isStored = host.Complete(number, effect.Ticket, new LoadResult
        {
            Outcome = LoadOutcome.Found,
            Entry = value is null ? item.Entry : item.Entry.WithLarge(value),
            IsWanted = true,
            IsFromSource = true,
            Home = item.Home,
        });
        if (isStored)
        {
            lock (counting)
            {
                fromKeys++;
                report = report with { Received = report.Received + 1 };
            }
        }

        return isStored;
    }

    private bool IsAsked()
    {
        lock (slot.Gate)
        {
            // A load that a chunk has answered meanwhile may still hold a large value.
            return partition.SourceLoadCount > 0 || Volatile.Read(ref asking) > 0;
        }
    }

    private enum Slice
    {
        /// <summary>The chunk has more.</summary>
        More,

        /// <summary>A part of a large value was taken.</summary>
        Taken,

        /// <summary>There is no room for the next item now.</summary>
        NoRoom,

        /// <summary>The chunk is at its end.</summary>
        Ended,

        /// <summary>Nothing more is to come.</summary>
        Over,
    }

    /// <summary>Where a chunk goes on.</summary>
    private readonly record struct Place(int Index, int Offset);

    /// <summary>A large value that is being put together: the chunk with its beginning, where it lies there, and the value; null where it is passed over.</summary>
    private readonly record struct LargePart(byte[]? Chunk, int Offset, LargeValue? Value);
}
