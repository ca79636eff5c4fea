using System.Buffers.Binary;
using System.Numerics;
using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.MoveBench;

/// <summary>Entries 0 to n - 1: key and value follow from the number, so that what is read can be checked.</summary>
internal sealed class Contents
{
    public const int KeyBytes = 16;

    private const int SmallBytes = 100;

    /// <summary>One of so many is large where they are mixed: about half of all bytes.</summary>
    private const int OneInLarge = 2048;

    private const int LeastLargeBytes = 16 << 10;
    private const int LargestShift = 6;

    private readonly bool isMixed;

    /// <param name="bytes">Bytes in all: keys, values, and what an entry takes beside them.</param>
    /// <param name="isMixed">Whether some values are large, of 16 KiB to 1 MiB.</param>
    public Contents(long bytes, bool isMixed)
    {
        this.isMixed = isMixed;
        for (var left = bytes; left > 0; Count++)
        {
            left -= KeyBytes + ValueBytes(Count) + EntryRecord.IndexBytesPerEntry;
        }
    }

    public long Count { get; }

    public static void WriteKey(long number, Span<byte> key)
    {
        BinaryPrimitives.WriteInt64BigEndian(key, number);
        BinaryPrimitives.WriteUInt64BigEndian(key[sizeof(long)..], Mix(number));
    }

    public int ValueBytes(long number)
    {
        var mixed = Mix(number);
        return !isMixed || mixed % OneInLarge != 0 ? SmallBytes : (int)(LeastLargeBytes * Math.Pow(2, LargestShift * ((mixed >> 16) & 0xFFFF) / 65536.0));
    }

    /// <summary>Whether a value is the one of a number: its length, and what its first and last bytes say.</summary>
    public bool IsOf(long number, EntryView entry)
    {
        Span<byte> edge = stackalloc byte[sizeof(long)];
        if (entry.ValueLength != ValueBytes(number))
        {
            return false;
        }

        if (entry.Large is not { } large)
        {
            return BinaryPrimitives.ReadInt64LittleEndian(entry.Value) == number && BinaryPrimitives.ReadInt64LittleEndian(entry.Value[^sizeof(long)..]) == number;
        }

        large.CopyTo(0, edge);
        var begins = BinaryPrimitives.ReadInt64LittleEndian(edge) == number;
        large.CopyTo(large.Length - sizeof(long), edge);
        return begins && BinaryPrimitives.ReadInt64LittleEndian(edge) == number;
    }

    /// <summary>Writes all of it into a host.</summary>
    public void Load(LockHost host)
    {
        var sink = new LoadSink();
        var key = new byte[KeyBytes];
        var buffer = new byte[LeastLargeBytes << LargestShift];
        for (var number = 0L; number < Count; number++)
        {
            WriteKey(number, key);
            var value = buffer.AsSpan(0, ValueBytes(number));
            BinaryPrimitives.WriteInt64LittleEndian(value, number);
            BinaryPrimitives.WriteInt64LittleEndian(value[^sizeof(long)..], number);
            var operation = new Operation { Kind = OperationKind.Set, Key = key, Hash = KeyHash.Of(key) };
            if (value.Length <= Limits.MaxInlineBytes)
            {
                operation.Value = value;
            }
            else
            {
                operation.Large = host.LargeValues.TryCreate(value) ?? throw new InvalidOperationException("The budget is too small for a large value.");
            }

            host.Submit(operation, sink, number);
        }

        if (sink.Stored != Count)
        {
            throw new InvalidOperationException($"{Count - sink.Stored} entries were not stored.");
        }
    }

    /// <summary>Spreads numbers: the finaliser of SplitMix64.</summary>
    private static ulong Mix(long number)
    {
        var mixed = (ulong)number + 0x9E3779B97F4A7C15;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return BitOperations.RotateLeft(mixed, 32) ^ mixed;
    }

    private sealed class LoadSink : IAnswerSink
    {
        public long Stored { get; private set; }

        public void Answer(long ticket, in Answer answer) => Stored += answer.Outcome == Outcome.Stored ? 1 : 0;
    }
}
