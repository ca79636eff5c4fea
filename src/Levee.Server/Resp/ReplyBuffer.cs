using System.Buffers;
using Levee.Memory;

namespace Levee.Server.Resp;

/// <summary>
/// Bytes to send, in order: pooled chunks, and pieces of large values by reference, which are never copied. Empty, it holds no memory. One owner.
/// </summary>
/// <param name="firstChunkBytes">The first chunk's size; further ones double up to <see cref="ChunkBytes"/>. Small for buffers that mostly hold one reply.</param>
internal sealed class ReplyBuffer(int firstChunkBytes = ReplyBuffer.ChunkBytes) : IDisposable
{
    /// <summary>A chunk takes what a turn may produce, so that a turn's replies go out in one send.</summary>
    public const int ChunkBytes = 64 * 1024;

    /// <summary>
    /// A chunk that begins behind a large value holds little more than a line's end, for as long as the client takes to read the value.
    /// </summary>
    private const int ChunkBehindLargeBytes = 512;

    /// <summary>A chunk up to this is not worth compacting.</summary>
    private const int SmallChunkBytes = 4096;

    /// <summary>Pieces up to this are copied when they move, so that many small ones go out in one send.</summary>
    private const int CopiedBytes = 16 * 1024;

    private readonly Queue<Piece> full = new();
    private byte[]? chunk;
    private int headSent;
    private int begin;
    private int end;
    private int largePieces;
    private bool endsWithLarge;

    /// <summary>Bytes not yet sent.</summary>
    public long Length { get; private set; }

    /// <summary>What the chunks take, in bytes; large values are not this buffer's.</summary>
    public long MemoryBytes { get; private set; }

    /// <summary>Whether pieces of large values are unsent.</summary>
    public bool HasLarge => largePieces > 0;

    /// <summary>Whether one of them is of a value that no entry holds any more.</summary>
    public bool HasUnowned
    {
        get
        {
            foreach (var piece in full)
            {
                if (piece.Large is { IsOwned: false })
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>The next contiguous bytes to send; empty when there are none.</summary>
    public ReadOnlySpan<byte> Unsent
    {
        get
        {
            if (full.TryPeek(out var piece))
            {
                var from = piece.Begin + headSent;
                return piece.Large is { } large ? Trim(large.Read(from), piece.End - from) : piece.Chunk.AsSpan(from, piece.End - from);
            }

            return chunk.AsSpan(begin, end - begin);
        }
    }

    /// <summary>Room of at least <paramref name="size"/> contiguous bytes; follow with <see cref="Advance"/>.</summary>
    public Span<byte> GetSpan(int size)
    {
        if (chunk is null || chunk.Length - end < size)
        {
            StartChunk(size);
        }

        return chunk.AsSpan(end);
    }

    /// <summary>Says how much of the room was written.</summary>
    public void Advance(int count)
    {
        end += count;
        Length += count;
    }

    /// <summary>Adds bytes.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(GetSpan(bytes.Length));
        Advance(bytes.Length);
    }

    /// <summary>Adds part of a large value, taking a reference of its own until that is sent.</summary>
    public void Write(LargeValue large, int offset, int count)
    {
        if (count == 0)
        {
            return;
        }

        large.AddReference();
        SealChunk();
        full.Enqueue(new Piece(null, large, offset, offset + count));
        largePieces++;
        endsWithLarge = true;
        Length += count;
    }

    /// <summary>Moves a few unsent bytes out of a big chunk, for a client that does not take them.</summary>
    public void Compact()
    {
        if (chunk is null || full.Count > 0 || chunk.Length <= SmallChunkBytes || end - begin > chunk.Length / 4)
        {
            return;
        }

        var smaller = ArrayPool<byte>.Shared.Rent(Math.Max(1, end - begin));
        chunk.AsSpan(begin, end - begin).CopyTo(smaller);
        var count = end - begin;
        ReturnChunk();
        chunk = smaller;
        MemoryBytes += smaller.Length;
        end = count;
    }

    /// <summary>The first <paramref name="count"/> bytes of <see cref="Unsent"/> have been sent.</summary>
    public void Sent(int count)
    {
        Length -= count;
        if (full.TryPeek(out var piece))
        {
            headSent += count;
            if (piece.Begin + headSent == piece.End)
            {
                headSent = 0;
                Release(full.Dequeue());
            }

            return;
        }

        begin += count;
        if (begin == end)
        {
            ReturnChunk();
        }
    }

    /// <summary>Moves all that another buffer holds to the end of this one.</summary>
    public void TakeFrom(ReplyBuffer other)
    {
        while (other.full.TryDequeue(out var piece))
        {
            if (piece.Chunk is not null && piece.End - piece.Begin <= CopiedBytes)
            {
                Length -= piece.End - piece.Begin;
                Write(piece.Chunk.AsSpan(piece.Begin, piece.End - piece.Begin));
                other.Release(piece);
                continue;
            }

            SealChunk();
            full.Enqueue(piece);
            largePieces += piece.Large is null ? 0 : 1;
            endsWithLarge = piece.Large is not null;
            MemoryBytes += piece.Chunk?.Length ?? 0;
            other.largePieces -= piece.Large is null ? 0 : 1;
            other.MemoryBytes -= piece.Chunk?.Length ?? 0;
        }

        if (other.end > other.begin)
        {
            Length -= other.end - other.begin;
            Write(other.chunk.AsSpan(other.begin, other.end - other.begin));
        }

        Length += other.Length;
        other.Length = 0;
        other.ReturnChunk();
    }

    /// <summary>Gives all memory back.</summary>
    public void Dispose()
    {
        while (full.TryDequeue(out var piece))
        {
            Release(piece);
        }

        ReturnChunk();
        headSent = 0;
        Length = 0;
    }

    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> bytes, int count) => bytes.Length <= count ? bytes : bytes[..count];

    private void Release(in Piece piece)
    {
        largePieces -= piece.Large is null ? 0 : 1;
        piece.Large?.Release();
        if (piece.Chunk is not null)
        {
            MemoryBytes -= piece.Chunk.Length;
            ArrayPool<byte>.Shared.Return(piece.Chunk);
        }
    }

    private void StartChunk(int size)
    {
        SealChunk();
        ReturnChunk();
        var wanted = endsWithLarge && full.Count > 0 ? ChunkBehindLargeBytes : (int)Math.Clamp(2 * Length, firstChunkBytes, ChunkBytes);
        chunk = ArrayPool<byte>.Shared.Rent(Math.Max(size, wanted));
        MemoryBytes += chunk.Length;
    }

    private void SealChunk()
    {
        if (end > begin)
        {
            full.Enqueue(new Piece(chunk, null, begin, end));
            endsWithLarge = false;
            chunk = null;
            begin = end = 0;
        }
    }

    private void ReturnChunk()
    {
        if (chunk is not null)
        {
            MemoryBytes -= chunk.Length;
            ArrayPool<byte>.Shared.Return(chunk);
            chunk = null;
        }

        begin = end = 0;
    }

    private readonly record struct Piece(byte[]? Chunk, LargeValue? Large, int Begin, int End);
}
