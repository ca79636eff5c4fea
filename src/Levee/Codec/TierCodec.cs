using System.Buffers;
using Levee.Segments;

namespace Levee.Codec;

/// <summary>
/// Compresses bodies and then encrypts them, as its options say. The codec byte of a record is 0 for a plain body, a <see cref="CompressionAlgorithm"/> for a compressed one, and has
/// <see cref="EncryptedBit"/> set where the body is encrypted. Whatever the options say about writing, records of both algorithms are read.
/// <para>
/// <b>What stays readable in the tier.</b> The header: the routing hash of the key (the same for equal keys, so that whoever can guess a key can confirm that it is there), the version
/// (a clock: when it was written), the expiry, the type, the lengths before and after encoding, and the codec. Of an encrypted body: which key encrypted it (a hash of its name) and in which
/// run of a process. Where bodies are compressed first, both lengths together say how well that went, hence something about the content; who lets others choose part of a value that
/// also holds a secret switches compression off. Key, value, tags, content type and flags of an entry are encrypted. Records that void others are not: a tag removal has its tag in clear.
/// </para>
/// <para>
/// <b>What is authenticated.</b> The body and the whole header, under a key bound to the context. Not the set of records: whoever can write to the tier can remove records or put an older
/// one back. A record that fails is refused and counted, and so becomes a miss.
/// </para>
/// Encoding allocates nothing in the steady state, but for zlib, which costs some hundred bytes a record.
/// </summary>
public sealed class TierCodec : RecordCodec
{
    /// <summary>Set in the codec byte where the body is encrypted.</summary>
    public const byte EncryptedBit = 0x80;

    /// <summary>What encryption adds to a record, in bytes.</summary>
    public const int EncryptionOverheadBytes = BodyEncryption.OverheadBytes;

    /// <summary>The longest body of a plain record. A longer length in a header is refused before anything is made of it.</summary>
    public const int MaxPlainBodyBytes = TierRecord.MaxBytes - TierRecord.HeaderBytes;

    private readonly BodyCompression compression;
    private readonly BodyEncryption? encryption;
    private readonly bool allowUnencrypted;
    private readonly TimeProvider time;
    private readonly CodecCounters[] stripes = [.. Enumerable.Range(0, Environment.ProcessorCount).Select(_ => new CodecCounters())];

    /// <param name="options">What to do.</param>
    /// <param name="time">Measures how long it takes.</param>
    public TierCodec(CodecOptions options, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        compression = new BodyCompression(options.Compression);
        encryption = options.Keys is { } keys ? new BodyEncryption(keys, options.Context) : null;
        allowUnencrypted = options.AllowUnencrypted || encryption is null;
        this.time = time ?? TimeProvider.System;
    }

    internal int ForeignSubkeys => encryption?.ForeignSubkeys ?? 0;

    private CodecCounters Counters => stripes[Environment.CurrentManagedThreadId % stripes.Length];

    /// <inheritdoc/>
    public override CodecStatistics? Statistics => GetStatistics();

    /// <inheritdoc/>
    public override int MaxEncodedLength(int plainLength) => encryption is null ? plainLength : plainLength + EncryptionOverheadBytes;

    /// <inheritdoc/>
    public override int Encode(ReadOnlySpan<byte> plain, Span<byte> destination)
    {
        var body = plain[TierRecord.HeaderBytes..];
        var overhead = encryption is null ? 0 : EncryptionOverheadBytes;
        var payload = destination.Slice(TierRecord.HeaderBytes + overhead, body.Length);
        var codec = Compress(body, payload, out var payloadLength);
        var record = destination[..(TierRecord.HeaderBytes + overhead + payloadLength)];
        codec |= encryption is null ? (byte)0 : EncryptedBit;
        TierRecord.WriteHeader(record, TierRecord.Type(plain), TierRecord.Hash(plain), TierRecord.Version(plain), TierRecord.ExpiresAt(plain), codec, body.Length);
        if (encryption is not null)
        {
            var started = time.GetTimestamp();
            encryption.Encrypt(record);
            Counters.Encrypted(payloadLength, time.GetTimestamp() - started);
        }

        TierRecord.Seal(record);
        Counters.Encoded();
        return record.Length;
    }

    /// <inheritdoc/>
    public override bool TryDecode(ReadOnlySpan<byte> encoded, Span<byte> destination)
    {
        if (encoded.Length < TierRecord.HeaderBytes || TierRecord.Length(encoded) is var length && (length < TierRecord.HeaderBytes || length > encoded.Length))
        {
            return Counters.RefuseBody();
        }

        encoded = encoded[..length];
        var plainBodyLength = TierRecord.PlainBodyLength(encoded);
        if (plainBodyLength is < 0 or > MaxPlainBodyBytes || plainBodyLength > destination.Length - TierRecord.HeaderBytes)
        {
            return Counters.RefuseBody();
        }

        var codec = TierRecord.Codec(encoded);
        var algorithm = (CompressionAlgorithm)(codec & ~EncryptedBit);
        if (algorithm > CompressionAlgorithm.Zlib)
        {
            return Counters.RefuseCodec();
        }

        var plain = destination[..(TierRecord.HeaderBytes + plainBodyLength)];
        var body = plain[TierRecord.HeaderBytes..];
        if (!((codec & EncryptedBit) != 0 ? TryDecrypt(encoded, algorithm, body) : TryTakeUnencrypted(encoded, algorithm, body)))
        {
            return false;
        }

        TierRecord.WriteHeader(plain, TierRecord.Type(encoded), TierRecord.Hash(encoded), TierRecord.Version(encoded), TierRecord.ExpiresAt(encoded));
        TierRecord.Seal(plain);
        Counters.Decoded();
        return true;
    }

    /// <summary>What the codec has done so far.</summary>
    public CodecStatistics GetStatistics() => CodecCounters.Sum(stripes, time);

    private byte Compress(ReadOnlySpan<byte> body, Span<byte> payload, out int written)
    {
        if (!compression.IsEligible(body.Length))
        {
            return Keep(body, payload, out written);
        }

        if (compression.IsTried())
        {
            var started = time.GetTimestamp();
            var isKept = compression.TryCompress(body, payload, out written);
            Counters.CompressionTried(body.Length, isKept ? written : body.Length, isKept, time.GetTimestamp() - started);
            if (isKept)
            {
                return (byte)compression.Algorithm;
            }
        }
        else
        {
            Counters.CompressionSkipped();
        }

        return Keep(body, payload, out written);
    }

    private static byte Keep(ReadOnlySpan<byte> body, Span<byte> payload, out int written)
    {
        body.CopyTo(payload);
        written = body.Length;
        return 0;
    }

    private bool TryTakeUnencrypted(ReadOnlySpan<byte> encoded, CompressionAlgorithm algorithm, Span<byte> body) =>
        !allowUnencrypted && TierRecord.Type(encoded) == TierRecordType.Entry ? Counters.RefuseUnencrypted() : TryDecompress(TierRecord.Body(encoded), algorithm, body);

    private bool TryDecrypt(ReadOnlySpan<byte> encoded, CompressionAlgorithm algorithm, Span<byte> body)
    {
        if (encryption is null)
        {
            return Counters.RefuseCodec();
        }

        var payloadLength = BodyEncryption.PayloadLength(encoded.Length - TierRecord.HeaderBytes);
        if (payloadLength < 0 || payloadLength > body.Length || (algorithm == CompressionAlgorithm.None && payloadLength != body.Length))
        {
            return Counters.RefuseBody();
        }

        if (algorithm == CompressionAlgorithm.None)
        {
            return TryDecryptInto(encoded, body);
        }

        var rented = ArrayPool<byte>.Shared.Rent(payloadLength);
        try
        {
            var payload = rented.AsSpan(0, payloadLength);
            return TryDecryptInto(encoded, payload) && TryDecompress(payload, algorithm, body);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private bool TryDecryptInto(ReadOnlySpan<byte> encoded, Span<byte> payload)
    {
        var started = time.GetTimestamp();
        var outcome = encryption!.Decrypt(encoded, payload);
        Counters.Decrypted(time.GetTimestamp() - started);
        return outcome switch
        {
            DecryptOutcome.Decrypted => true,
            DecryptOutcome.UnknownKey => Counters.RefuseKey(),
            DecryptOutcome.FailedTag => Counters.RefuseTag(),
            _ => Counters.RefuseBody(),
        };
    }

    private bool TryDecompress(ReadOnlySpan<byte> payload, CompressionAlgorithm algorithm, Span<byte> body)
    {
        if (algorithm == CompressionAlgorithm.None)
        {
            if (payload.Length != body.Length)
            {
                return Counters.RefuseBody();
            }

            payload.CopyTo(body);
            return true;
        }

        var started = time.GetTimestamp();
        var isWhole = BodyCompression.TryDecompress(algorithm, payload, body);
        Counters.Decompressed(time.GetTimestamp() - started);
        return isWhole || Counters.RefuseBody();
    }
}
