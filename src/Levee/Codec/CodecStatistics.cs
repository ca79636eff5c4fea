namespace Levee.Codec;

/// <summary>What a codec has done since it was made.</summary>
public sealed record CodecStatistics
{
    /// <summary>Records that were encoded.</summary>
    public long Encoded { get; init; }

    /// <summary>Records whose compression was tried.</summary>
    public long CompressionTried { get; init; }

    /// <summary>Records that were kept compressed, because that was smaller by an eighth or more.</summary>
    public long CompressionKept { get; init; }

    /// <summary>Records long enough that were not tried, because the last ones before them had not shrunk.</summary>
    public long CompressionSkipped { get; init; }

    /// <summary>Bytes of bodies whose compression was tried.</summary>
    public long CompressionInBytes { get; init; }

    /// <summary>Bytes that became of them: compressed where that was kept, else plain.</summary>
    public long CompressionOutBytes { get; init; }

    /// <summary>Time spent on compressing, also in vain.</summary>
    public TimeSpan CompressionTime { get; init; }

    /// <summary>Records that were encrypted.</summary>
    public long Encrypted { get; init; }

    /// <summary>Bytes that were encrypted.</summary>
    public long EncryptedBytes { get; init; }

    /// <summary>Time spent on encrypting.</summary>
    public TimeSpan EncryptionTime { get; init; }

    /// <summary>Records that were decoded.</summary>
    public long Decoded { get; init; }

    /// <summary>Time spent on decrypting.</summary>
    public TimeSpan DecryptionTime { get; init; }

    /// <summary>Time spent on decompressing.</summary>
    public TimeSpan DecompressionTime { get; init; }

    /// <summary>Records refused because their codec byte means nothing here, or because they are encrypted and there are no keys.</summary>
    public long RefusedCodec { get; init; }

    /// <summary>Entries refused because they lie unencrypted although there are keys.</summary>
    public long RefusedUnencrypted { get; init; }

    /// <summary>Records refused because the key they name is not in the ring.</summary>
    public long RefusedKey { get; init; }

    /// <summary>Records refused because their authentication tag failed: altered, moved from another context, or encrypted with another key of that name.</summary>
    public long RefusedTag { get; init; }

    /// <summary>Records refused because their body cannot be decompressed or is not as long as it says.</summary>
    public long RefusedBody { get; init; }

    /// <summary>All records refused.</summary>
    public long Refused => RefusedCodec + RefusedUnencrypted + RefusedKey + RefusedTag + RefusedBody;

    /// <summary>Bytes in over bytes out of what was tried; 1 where nothing was.</summary>
    public double CompressionRatio => CompressionOutBytes == 0 ? 1 : (double)CompressionInBytes / CompressionOutBytes;
}
