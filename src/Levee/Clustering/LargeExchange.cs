using System.Security.Cryptography;
using Levee.Memory;

namespace Levee.Clustering;

/// <summary>
/// Large values on their way between processes, in pieces, under numbers. Each is in one of two states: <i>staged</i>, while a caller writes it and until its set comes; <i>named</i>, while an
/// answer shows it and until the caller has read it. Both are bounded in bytes, and what nobody comes for is let go. Safe for threads.
/// </summary>
internal sealed class LargeExchange(LargeValueStore larges, BatchServerOptions options)
{
    private readonly Lock gate = new();
    private readonly Dictionary<long, Held> staged = [];
    private readonly Dictionary<long, Held> named = [];
    private readonly Dictionary<long, long> refused = [];

    public long StagedBytes { get; private set; }

    public long NamedBytes { get; private set; }

    /// <summary>Gives a value a number under which it can be read, and takes a reference.</summary>
    /// <returns>0 where too much waits to be read.</returns>
    public long TryName(LargeValue large, long now)
    {
        lock (gate)
        {
            if (NamedBytes + large.Length > options.MaxNamedBytes)
            {
                return 0;
            }

            var number = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(8)) & long.MaxValue;
            if (number == 0 || !named.TryAdd(number, new Held(large) { TouchedMs = now }))
            {
                return 0;
            }

            large.AddReference();
            NamedBytes += large.Length;
            return number;
        }
    }

    /// <summary>Reads a piece; the last one, or one at the end, lets go.</summary>
    /// <exception cref="KeyNotFoundException">No value waits under this number.</exception>
    public byte[] Read(long number, int offset, long now)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        Held held;
        int count;
        bool isLast;
        lock (gate)
        {
            if (!named.TryGetValue(number, out held!))
            {
                throw new KeyNotFoundException($"no large value waits under number {number:x}: it was read, or nobody came for it in time");
            }

            count = Math.Clamp(held.Large.Length - offset, 0, BatchLimits.PieceBytes);
            isLast = offset + (long)count >= held.Large.Length;
            held.TouchedMs = now;
            if (isLast)
            {
                named.Remove(number);
                NamedBytes -= held.Large.Length;
            }
            else
            {
                held.Large.AddReference();
            }
        }

        var piece = GC.AllocateUninitializedArray<byte>(count);
        if (count > 0)
        {
            held.Large.CopyTo(offset, piece);
        }

        held.Large.Release();
        return piece;
    }

    /// <summary>Lets go of a value that nobody will read.</summary>
    public void Forget(long number)
    {
        lock (gate)
        {
            if (named.Remove(number, out var held))
            {
                NamedBytes -= held.Large.Length;
                held.Large.Release();
            }
        }
    }

    /// <summary>Takes a piece; pieces of one value come in order, and a first piece begins it anew. A value for which there is no room is not kept, only that it came: its set will be refused.</summary>
    /// <exception cref="FormatException">The piece does not go on where the one before ended.</exception>
    public void Write(long number, int length, int offset, ReadOnlySpan<byte> piece, long now)
    {
        if (length < 1 || offset < 0 || piece.Length > BatchLimits.PieceBytes || offset > length - piece.Length)
        {
            throw new FormatException($"a piece of {piece.Length} bytes at {offset} is not of a large value of {length} bytes");
        }

        lock (gate)
        {
            if (offset == 0)
            {
                Drop(number);
                if (length > larges.MaxValueBytes || StagedBytes + length > options.MaxStagedBytes || larges.TryCreate(length) is not { } created)
                {
                    refused[number] = now;
                    return;
                }

                staged.Add(number, new Held(created));
                StagedBytes += length;
            }

            if (!staged.TryGetValue(number, out var held))
            {
                return;
            }

            if (held.Large.Length != length || held.Large.FilledBytes != offset)
            {
                throw new FormatException($"a piece at {offset} of {length} bytes does not continue a large value of {held.Large.Length} of which {held.Large.FilledBytes} are there");
            }

            held.Large.Append(piece);
            held.TouchedMs = now;
        }
    }

    /// <summary>Takes a complete value with its reference; null where there was no room for it.</summary>
    /// <returns>False where none came, or not all of it.</returns>
    public bool TryTakeStaged(long number, out LargeValue? large)
    {
        lock (gate)
        {
            large = null;
            if (refused.Remove(number))
            {
                return true;
            }

            if (!staged.TryGetValue(number, out var held) || held.Large.FilledBytes < held.Large.Length)
            {
                return false;
            }

            staged.Remove(number);
            StagedBytes -= held.Large.Length;
            large = held.Large;
            return true;
        }
    }

    /// <summary>Lets go of what was last touched at or before an instant.</summary>
    /// <returns>How many values.</returns>
    public int Sweep(long untilMs)
    {
        lock (gate)
        {
            var old = named.Where(pair => pair.Value.TouchedMs <= untilMs).Select(pair => pair.Key).ToList();
            foreach (var number in old)
            {
                Forget(number);
            }

            var begun = staged.Where(pair => pair.Value.TouchedMs <= untilMs).Select(pair => pair.Key).ToList();
            foreach (var number in begun)
            {
                Drop(number);
            }

            foreach (var number in refused.Where(pair => pair.Value <= untilMs).Select(pair => pair.Key).ToList())
            {
                refused.Remove(number);
            }

            return old.Count + begun.Count;
        }
    }

    private void Drop(long number)
    {
        refused.Remove(number);
        if (staged.Remove(number, out var held))
        {
            StagedBytes -= held.Large.Length;
            held.Large.Release();
        }
    }

    private sealed class Held(LargeValue large)
    {
        public LargeValue Large { get; } = large;

        public long TouchedMs { get; set; }
    }
}
