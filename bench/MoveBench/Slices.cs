using System.Globalization;
using System.Runtime.InteropServices;
using Levee.Hosting;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.MoveBench;

/// <summary>What is done while a partition is held, on either side of a move: a chunk that is read out of the frozen copy, some of its items that are taken in. One thread, no locks.</summary>
internal static partial class Slices
{
    private const long PartitionBytes = 64L << 20;
    private const long ShareBytes = 240L << 20;
    private const int ThreadClock = 3;

    public static int Run(int rounds)
    {
        Console.WriteLine("| slices | count | mean µs | p99.9 µs | longest µs | > 1 ms |");
        Console.WriteLine("|---|---|---|---|---|---|");
        for (var round = 1; round <= rounds; round++)
        {
            foreach (var isMixed in new[] { false, true })
            {
                Run(isMixed, round);
            }
        }

        return 0;
    }

    private static void Run(bool isMixed, int round)
    {
        using var arena = new PageArena(2 * ShareBytes);
        var larges = new LargeValueStore(arena, 1 << 20);
        var from = new Partition(new PageShare(arena, ShareBytes), new PartitionOptions { MaxValueBytes = 1 << 20 });
        Fill(from, larges, new Contents(PartitionBytes, isMixed));
        var header = PartitionHeader.Read(from.Header(1).Write());
        var into = new Partition(new PageShare(arena, ShareBytes), new PartitionOptions { MaxValueBytes = 1 << 20, Arriving = header });
        var export = new PartitionExport(from);
        var (reads, imports, releases) = (new List<double>(), new List<double>(), new List<double>());
        LargeValue? large = null;
        byte[]? head = null;
        var headOffset = 0;
        for (var position = 0L; position >= 0;)
        {
            var began = Now();
            var bytes = export.ReadChunk(position);
            reads.Add(Now() - began);
            var chunk = MoveChunk.Read(bytes);
            arena.Prepare(32); // As an arrival does, while nothing is held.
            for (int i = 0, offset = 0; i < chunk.Count;)
            {
                var peeked = offset;
                var item = chunk.Item(ref peeked);
                if (item.Kind is MoveItemKind.Large or MoveItemKind.Piece)
                {
                    if (item.Kind == MoveItemKind.Large)
                    {
                        (large, head, headOffset) = (larges.TryCreate(item.ValueLength), bytes, offset);
                    }

                    large!.Append(item.Piece);
                    if (large.FilledBytes == large.Length)
                    {
                        var begun = MoveChunk.ReadUnchecked(head).Item(ref headOffset);
                        began = Now();
                        into.Import(new MoveItem { Kind = begun.Kind, Home = begun.Home, Entry = begun.Entry.WithLarge(large) }, 1);
                        imports.Add(Now() - began);
                    }

                    (i, offset) = (i + 1, peeked);
                    continue;
                }

                began = Now();
                for (var end = Math.Min(chunk.Count, i + Arrival.ItemsPerSlice); i < end; i++)
                {
                    peeked = offset;
                    item = chunk.Item(ref peeked);
                    if (item.Kind is MoveItemKind.Large or MoveItemKind.Piece)
                    {
                        break;
                    }

                    into.Import(item, 1);
                    offset = peeked;
                }

                imports.Add(Now() - began);
            }

            position = chunk.Next;
        }

        if (into.EntryCount != from.EntryCount)
        {
            throw new InvalidOperationException($"{into.EntryCount} of {from.EntryCount} entries arrived.");
        }

        for (var more = true; more;)
        {
            var began = Now();
            more = from.ReleaseSome();
            releases.Add(Now() - began);
        }

        var kind = isMixed ? "mixed" : "100 bytes";
        Print($"read out, {kind}, {round}", reads);
        Print($"taken in, {kind}, {round}", imports);
        Print($"given back, {kind}, {round}", releases);
    }

    private static void Fill(Partition partition, LargeValueStore larges, Contents contents)
    {
        var key = new byte[Contents.KeyBytes];
        var value = new byte[1 << 20];
        var sink = new NoSink();
        for (var number = 0L; number < contents.Count; number++)
        {
            Contents.WriteKey(number, key);
            var length = contents.ValueBytes(number);
            var operation = new Operation { Kind = OperationKind.Set, Key = key, Hash = KeyHash.Of(key) };
            if (length <= Limits.MaxInlineBytes)
            {
                operation.Value = value.AsSpan(0, length);
            }
            else
            {
                operation.Large = larges.TryCreate(value.AsSpan(0, length));
            }

            partition.Execute(operation, 1, sink, 0);
        }
    }

    private static void Print(string name, List<double> slices)
    {
        slices.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {slices.Count} | {slices.Average():0.0} | {slices[(int)(slices.Count * 0.999)]:0} | {slices[^1]:0} | {slices.Count(static slice => slice > 1000)} |"));
    }

    /// <summary>CPU time of this thread in microseconds.</summary>
    private static double Now()
    {
        _ = ReadClock(ThreadClock, out var time);
        return (time.Seconds * 1e6) + (time.Nanoseconds / 1e3);
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ReadClock(int clock, out TimeSpec time);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    private sealed class NoSink : IAnswerSink
    {
        public void Answer(long ticket, in Answer answer)
        {
        }
    }
}
