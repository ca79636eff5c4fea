using System.Buffers.Binary;

namespace Levee.Orleans.Silo;

/// <summary>
/// Hints on their way to the prefetcher, packed one behind the other: priority (1 byte), the key's routing hash (8), its length (2), key. Little endian; the first byte of all is the version. Not safe for threads.
/// </summary>
internal sealed class HintBatch
{
    private const byte Version = 1;
    private const int HeadBytes = 11;
    private const int MaxBytes = 32 * 1024;

    private readonly byte[] bytes = new byte[MaxBytes];
    private int length = 1;

    public HintBatch() => bytes[0] = Version;

    /// <summary>Adds a hint.</summary>
    /// <returns>False where there is no room for it.</returns>
    public bool TryAdd(ReadOnlySpan<byte> key, ulong hash, int priority)
    {
        if (key.Length > MaxBytes - length - HeadBytes)
        {
            return false;
        }

        var hint = bytes.AsSpan(length);
        hint[0] = (byte)priority;
        BinaryPrimitives.WriteUInt64LittleEndian(hint[1..], hash);
        BinaryPrimitives.WriteUInt16LittleEndian(hint[9..], (ushort)key.Length);
        key.CopyTo(hint[HeadBytes..]);
        length += HeadBytes + key.Length;
        return true;
    }

    /// <summary>Takes all that was added; null where nothing was.</summary>
    public byte[]? Take()
    {
        var taken = length == 1 ? null : bytes[..length];
        length = 1;
        return taken;
    }

    /// <summary>Takes the first hint off a packed batch; the version is checked by <see cref="Open"/>.</summary>
    /// <returns>False at the end.</returns>
    /// <exception cref="FormatException">The batch is damaged.</exception>
    public static bool TryRead(scoped ref ReadOnlySpan<byte> batch, out ReadOnlySpan<byte> key, out ulong hash, out int priority)
    {
        if (batch.IsEmpty)
        {
            key = default;
            hash = 0;
            priority = 0;
            return false;
        }

        var end = batch.Length < HeadBytes ? int.MaxValue : HeadBytes + BinaryPrimitives.ReadUInt16LittleEndian(batch[9..]);
        if (end > batch.Length)
        {
            throw new FormatException("A batch of hints is cut off.");
        }

        priority = batch[0];
        hash = BinaryPrimitives.ReadUInt64LittleEndian(batch[1..]);
        key = batch[HeadBytes..end];
        batch = batch[end..];
        return true;
    }

    /// <summary>The hints of a packed batch.</summary>
    /// <exception cref="FormatException">It is of another version.</exception>
    public static ReadOnlySpan<byte> Open(byte[] packed) => packed is [Version, ..] ? packed.AsSpan(1) : throw new FormatException("A batch of hints is of an unknown version.");
}
