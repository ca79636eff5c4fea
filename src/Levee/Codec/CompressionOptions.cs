namespace Levee.Codec;

/// <summary>What compresses a body. Numbers are persisted in the codec byte: append only.</summary>
public enum CompressionAlgorithm : byte
{
    /// <summary>Nothing: bodies stay as they are.</summary>
    None = 0,

    /// <summary>Brotli (RFC 7932). Allocates nothing.</summary>
    Brotli = 1,

    /// <summary>zlib (RFC 1950). The framework has it only as a stream, so that each record allocates some hundred bytes.</summary>
    Zlib = 2,
}

/// <summary>How bodies are compressed before they leave memory. Cannot hold a bad value.</summary>
public sealed record CompressionOptions
{
    /// <summary>The default of <see cref="ThresholdBytes"/>. Shorter bodies save little and cost as much time as one of a few KiB; docs/codec.md has the measurement.</summary>
    public const int DefaultThresholdBytes = 1024;

    private const int MaxBrotliLevel = 11;
    private const int MaxZlibLevel = 9;

    /// <param name="algorithm">What compresses.</param>
    /// <param name="level">0 to 11 for Brotli, 1 to 9 for zlib, higher is smaller and slower; null: 1.</param>
    /// <param name="thresholdBytes">Shorter bodies stay plain; 0: all are tried.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public CompressionOptions(CompressionAlgorithm algorithm, int? level = null, int thresholdBytes = DefaultThresholdBytes)
    {
        if (!Enum.IsDefined(algorithm))
        {
            throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, "Compression is none, brotli or zlib.");
        }

        var (least, most) = algorithm == CompressionAlgorithm.Zlib ? (1, MaxZlibLevel) : (0, MaxBrotliLevel);
        if (level is { } given && (given < least || given > most))
        {
            throw new ArgumentOutOfRangeException(nameof(level), level, "The level is 0 to 11 for brotli and 1 to 9 for zlib.");
        }

        ArgumentOutOfRangeException.ThrowIfNegative(thresholdBytes);
        Algorithm = algorithm;
        Level = level ?? 1;
        ThresholdBytes = thresholdBytes;
    }

    /// <summary>Compresses nothing.</summary>
    public static CompressionOptions None { get; } = new(CompressionAlgorithm.None);

    /// <summary>What compresses.</summary>
    public CompressionAlgorithm Algorithm { get; }

    /// <summary>0 to 11 for Brotli, 1 to 9 for zlib.</summary>
    public int Level { get; }

    /// <summary>Shorter bodies stay plain.</summary>
    public int ThresholdBytes { get; }
}
