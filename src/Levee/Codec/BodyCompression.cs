using System.IO.Compression;
using System.Numerics;

namespace Levee.Codec;

/// <summary>Compresses bodies. What comes out is never longer than what was asked for: a decompression bomb ends where the plain length ends.</summary>
internal sealed class BodyCompression(CompressionOptions options)
{
    /// <summary>A result is kept if it saves an eighth of the body: a read pays for the decompression, and a segment pads records to 8 bytes anyway.</summary>
    private const int LeastSavingShift = 3;

    private const int LeastWindowBits = 10;
    private const int MostWindowBits = 22;

    /// <summary>After so many bodies in a row that did not shrink (pictures, archives, encrypted values), only one in so many is tried: trying in vain costs more than succeeding.</summary>
    private const int PatientFailures = 16;

    private readonly ZLibCompressionOptions zlib = new() { CompressionLevel = options.Algorithm == CompressionAlgorithm.Zlib ? options.Level : 1 };

    private int failuresInRow;
    private int skipsInRow;

    public CompressionAlgorithm Algorithm => options.Algorithm;

    public bool IsEligible(int bodyLength) => options.Algorithm != CompressionAlgorithm.None && bodyLength > 0 && bodyLength >= options.ThresholdBytes;

    /// <summary>Whether an eligible body is worth a try. Threads may race here; that costs or spares a try.</summary>
    public bool IsTried()
    {
        if (Volatile.Read(ref failuresInRow) < PatientFailures || Interlocked.Increment(ref skipsInRow) >= PatientFailures)
        {
            Volatile.Write(ref skipsInRow, 0);
            return true;
        }

        return false;
    }

    /// <summary>Compresses a body; false where that does not save enough, and then the destination holds anything.</summary>
    /// <param name="body">What is compressed.</param>
    /// <param name="destination">As long as the body, or longer.</param>
    /// <param name="written">Length of the result.</param>
    public bool TryCompress(ReadOnlySpan<byte> body, Span<byte> destination, out int written)
    {
        var isSmaller = TryCompressInto(body, destination, out written);
        Volatile.Write(ref failuresInRow, isSmaller ? 0 : Math.Min(PatientFailures, Volatile.Read(ref failuresInRow) + 1));
        return isSmaller;
    }

    /// <summary>Decompresses into exactly <paramref name="destination"/>; false where the payload is damaged, becomes longer or shorter.</summary>
    public static bool TryDecompress(CompressionAlgorithm algorithm, ReadOnlySpan<byte> payload, Span<byte> destination) => algorithm switch
    {
        CompressionAlgorithm.Brotli => BrotliDecoder.TryDecompress(payload, destination, out var written) && written == destination.Length,
        CompressionAlgorithm.Zlib => ZlibBody.TryDecompress(payload, destination),
        _ => false,
    };

    private bool TryCompressInto(ReadOnlySpan<byte> body, Span<byte> destination, out int written)
    {
        var room = destination[..(body.Length - Math.Max(1, body.Length >> LeastSavingShift))];
        written = 0;
        return options.Algorithm switch
        {
            _ when room.IsEmpty => false,
            CompressionAlgorithm.Brotli => BrotliEncoder.TryCompress(body, room, out written, options.Level, WindowBits(body.Length)),
            CompressionAlgorithm.Zlib => ZlibBody.TryCompress(body, room, zlib, out written),
            _ => false,
        };
    }

    private static int WindowBits(int length) => Math.Clamp(BitOperations.Log2((uint)length) + 1, LeastWindowBits, MostWindowBits);
}
