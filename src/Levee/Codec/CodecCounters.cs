namespace Levee.Codec;

/// <summary>A stripe of the counters behind <see cref="CodecStatistics"/>: threads that encode at the same time mostly count in different ones. Safe for threads.</summary>
internal sealed class CodecCounters
{
    private long encoded;
    private long tried;
    private long kept;
    private long skipped;
    private long compressionIn;
    private long compressionOut;
    private long compressionTicks;
    private long encrypted;
    private long encryptedBytes;
    private long encryptionTicks;
    private long decoded;
    private long decryptionTicks;
    private long decompressionTicks;
    private long refusedCodec;
    private long refusedUnencrypted;
    private long refusedKey;
    private long refusedTag;
    private long refusedBody;

    public void Encoded() => Interlocked.Increment(ref encoded);

    public void Decoded() => Interlocked.Increment(ref decoded);

    public void CompressionSkipped() => Interlocked.Increment(ref skipped);

    public void CompressionTried(int bytesIn, int bytesOut, bool isKept, long ticks)
    {
        Interlocked.Increment(ref tried);
        Interlocked.Add(ref compressionIn, bytesIn);
        Interlocked.Add(ref compressionOut, bytesOut);
        Interlocked.Add(ref compressionTicks, ticks);
        if (isKept)
        {
            Interlocked.Increment(ref kept);
        }
    }

    public void Encrypted(int bytes, long ticks)
    {
        Interlocked.Increment(ref encrypted);
        Interlocked.Add(ref encryptedBytes, bytes);
        Interlocked.Add(ref encryptionTicks, ticks);
    }

    public void Decrypted(long ticks) => Interlocked.Add(ref decryptionTicks, ticks);

    public void Decompressed(long ticks) => Interlocked.Add(ref decompressionTicks, ticks);

    public bool RefuseCodec() => Refuse(ref refusedCodec);

    public bool RefuseUnencrypted() => Refuse(ref refusedUnencrypted);

    public bool RefuseKey() => Refuse(ref refusedKey);

    public bool RefuseTag() => Refuse(ref refusedTag);

    public bool RefuseBody() => Refuse(ref refusedBody);

    public static CodecStatistics Sum(CodecCounters[] stripes, TimeProvider time) => new()
    {
        Encoded = Total(stripes, static stripe => Interlocked.Read(ref stripe.encoded)),
        CompressionTried = Total(stripes, static stripe => Interlocked.Read(ref stripe.tried)),
        CompressionKept = Total(stripes, static stripe => Interlocked.Read(ref stripe.kept)),
        CompressionSkipped = Total(stripes, static stripe => Interlocked.Read(ref stripe.skipped)),
        CompressionInBytes = Total(stripes, static stripe => Interlocked.Read(ref stripe.compressionIn)),
        CompressionOutBytes = Total(stripes, static stripe => Interlocked.Read(ref stripe.compressionOut)),
        CompressionTime = time.GetElapsedTime(0, Total(stripes, static stripe => Interlocked.Read(ref stripe.compressionTicks))),
        Encrypted = Total(stripes, static stripe => Interlocked.Read(ref stripe.encrypted)),
        EncryptedBytes = Total(stripes, static stripe => Interlocked.Read(ref stripe.encryptedBytes)),
        EncryptionTime = time.GetElapsedTime(0, Total(stripes, static stripe => Interlocked.Read(ref stripe.encryptionTicks))),
        Decoded = Total(stripes, static stripe => Interlocked.Read(ref stripe.decoded)),
        DecryptionTime = time.GetElapsedTime(0, Total(stripes, static stripe => Interlocked.Read(ref stripe.decryptionTicks))),
        DecompressionTime = time.GetElapsedTime(0, Total(stripes, static stripe => Interlocked.Read(ref stripe.decompressionTicks))),
        RefusedCodec = Total(stripes, static stripe => Interlocked.Read(ref stripe.refusedCodec)),
        RefusedUnencrypted = Total(stripes, static stripe => Interlocked.Read(ref stripe.refusedUnencrypted)),
        RefusedKey = Total(stripes, static stripe => Interlocked.Read(ref stripe.refusedKey)),
        RefusedTag = Total(stripes, static stripe => Interlocked.Read(ref stripe.refusedTag)),
        RefusedBody = Total(stripes, static stripe => Interlocked.Read(ref stripe.refusedBody)),
    };

    private static long Total(CodecCounters[] stripes, Func<CodecCounters, long> read) => stripes.Sum(read);

    private static bool Refuse(ref long counter)
    {
        Interlocked.Increment(ref counter);
        return false;
    }
}
