using System.Buffers.Binary;

namespace Levee.Learning;

/// <summary>Packs the keys that a prefetcher predicts: version (1 byte), number of keys (2 bytes), <see cref="KeyList"/>. For one thread.</summary>
public sealed class KeyListWriter
{
    internal const byte Version = 1;
    internal const int HeadBytes = 3;

    private readonly byte[] buffer = new byte[KeyList.MessageBytes - 1];
    private int length = HeadBytes;

    /// <summary>How many keys there are.</summary>
    public int Count { get; private set; }

    /// <summary>Adds a key.</summary>
    /// <returns>False where it is longer than <see cref="KeyList.MaxKeyBytes"/> or there is no room for it; then it was not added.</returns>
    public bool TryAdd(ReadOnlySpan<byte> key, ulong hash)
    {
        if (key.Length > KeyList.MaxKeyBytes || key.Length + KeyList.EntryHeadBytes > buffer.Length - length)
        {
            return false;
        }

        length += KeyList.Write(buffer.AsSpan(length), key, hash);
        Count++;
        return true;
    }

    /// <summary>The packed list, shorter than <see cref="KeyList.MessageBytes"/>; the next one begins.</summary>
    public byte[] Take()
    {
        buffer[0] = Version;
        BinaryPrimitives.WriteUInt16LittleEndian(buffer.AsSpan(1), (ushort)Count);
        var packed = buffer[..length];
        length = HeadBytes;
        Count = 0;
        return packed;
    }
}
