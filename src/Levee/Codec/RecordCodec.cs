using Levee.Segments;

namespace Levee.Codec;

/// <summary>
/// Encodes the body of a record before it leaves memory, and decodes it when it comes back. The header stays readable: recovery needs it. Safe for threads.
/// </summary>
public abstract class RecordCodec
{
    /// <summary>Leaves bodies as they are.</summary>
    public static RecordCodec Plain { get; } = new PlainCodec();

    /// <summary>What the codec has done; null where it does nothing.</summary>
    public virtual CodecStatistics? Statistics => null;

    /// <summary>The most that a plain record of this length can become, in bytes.</summary>
    public abstract int MaxEncodedLength(int plainLength);

    /// <summary>Encodes a plain record into <paramref name="destination"/>, with its checksum.</summary>
    /// <returns>The encoded record's length in bytes.</returns>
    public abstract int Encode(ReadOnlySpan<byte> plain, Span<byte> destination);

    /// <summary>Decodes a sound record into <paramref name="destination"/>, which has room for its header and its plain body.</summary>
    /// <returns>False where the record cannot be decoded: a codec or key that is not known, a failed authentication tag, a body of another length than it says. Counted.</returns>
    public abstract bool TryDecode(ReadOnlySpan<byte> encoded, Span<byte> destination);

    private sealed class PlainCodec : RecordCodec
    {
        public override int MaxEncodedLength(int plainLength) => plainLength;

        public override int Encode(ReadOnlySpan<byte> plain, Span<byte> destination)
        {
            plain.CopyTo(destination);
            TierRecord.Seal(destination[..plain.Length]);
            return plain.Length;
        }

        public override bool TryDecode(ReadOnlySpan<byte> encoded, Span<byte> destination)
        {
            if (TierRecord.Codec(encoded) != 0)
            {
                return false;
            }

            encoded.CopyTo(destination);
            return true;
        }
    }
}
