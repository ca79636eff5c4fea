using System.IO.Compression;

namespace Levee.Codec;

/// <summary>zlib over spans. The framework offers it as a stream only: some hundred bytes of garbage per call, and a native state of its own.</summary>
internal static unsafe class ZlibBody
{
    private const int ChunkBytes = 64 * 1024;

    [ThreadStatic]
    private static SpanStream? threadStream;

    /// <summary>Compresses; false where the result does not fit.</summary>
    public static bool TryCompress(ReadOnlySpan<byte> source, Span<byte> destination, ZLibCompressionOptions options, out int written)
    {
        fixed (byte* pointer = destination)
        {
            var target = threadStream ??= new SpanStream();
            target.Open(pointer, destination.Length);
            using (var zlib = new ZLibStream(target, options, leaveOpen: true))
            {
                while (!source.IsEmpty && !target.IsOverrun)
                {
                    var chunk = source[..Math.Min(ChunkBytes, source.Length)];
                    zlib.Write(chunk);
                    source = source[chunk.Length..];
                }
            }

            written = (int)target.Position;
            return !target.IsOverrun;
        }
    }

    /// <summary>Decompresses; false where the source is damaged or does not become exactly as long as <paramref name="destination"/>.</summary>
    public static bool TryDecompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        fixed (byte* pointer = source)
        {
            var from = threadStream ??= new SpanStream();
            from.Open(pointer, source.Length);
            using var zlib = new ZLibStream(from, CompressionMode.Decompress, leaveOpen: true);
            Span<byte> surplus = stackalloc byte[1];
            try
            {
                return zlib.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false) == destination.Length && zlib.Read(surplus) == 0;
            }
            catch (Exception damage) when (damage is InvalidDataException or IOException)
            {
                // The latter, from zlib itself, where the data asks for a preset dictionary.
                return false;
            }
        }
    }

    /// <summary>A stream over borrowed memory. What does not fit is dropped and noted.</summary>
    private sealed class SpanStream : Stream
    {
        private byte* start;
        private int length;
        private int position;

        public bool IsOverrun { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => length;

        public override long Position
        {
            get => position;
            set => throw new NotSupportedException();
        }

        public void Open(byte* memory, int lengthBytes)
        {
            start = memory;
            length = lengthBytes;
            position = 0;
            IsOverrun = false;
        }

        public override int Read(Span<byte> buffer)
        {
            var count = Math.Min(buffer.Length, length - position);
            new ReadOnlySpan<byte>(start + position, count).CopyTo(buffer);
            position += count;
            return count;
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (IsOverrun || buffer.Length > length - position)
            {
                IsOverrun = true;
                return;
            }

            buffer.CopyTo(new Span<byte>(start + position, buffer.Length));
            position += buffer.Length;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
