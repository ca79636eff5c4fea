namespace Levee.Codec;

/// <summary>The counters behind <see cref="CodecStatistics"/>. Safe for threads.</summary>
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

    public CodecStatistics Snapshot(TimeProvider time) => new()
    {
        Encoded = Interlocked.Read(ref encoded),
        CompressionTried = Interlocked.Read(ref tried),
        CompressionKept = Interlocked.Read(ref kept),
        CompressionSkipped = Interlocked.Read(ref skipped),
        CompressionInBytes = Interlocked.Read(ref compressionIn),
        CompressionOutBytes = Interlocked.Read(ref compressionOut),
        CompressionTime = time.GetElapsedTime(0, Interlocked.Read(ref compressionTicks)),
        Encrypted = Interlocked.Read(ref encrypted),
        EncryptedBytes = Interlocked.Read(ref encryptedBytes),
        EncryptionTime = time.GetElapsedTime(0, Interlocked.Read(ref encryptionTicks)),
        Decoded = Interlocked.Read(ref decoded),
        DecryptionTime = time.GetElapsedTime(0, Interlocked.Read(ref decryptionTicks)),
        DecompressionTime = time.GetElapsedTime(0, Interlocked.Read(ref decompressionTicks)),
        RefusedCodec = Interlocked.Read(ref refusedCodec),
        RefusedUnencrypted = Interlocked.Read(ref refusedUnencrypted),
        RefusedKey = Interlocked.Read(ref refusedKey),
        RefusedTag = Interlocked.Read(ref refusedTag),
        RefusedBody = Interlocked.Read(ref refusedBody),
    };

    private static bool Refuse(ref long counter)
    {
        Interlocked.Increment(ref counter);
        return false;
    }
}
