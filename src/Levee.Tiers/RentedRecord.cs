using System.Buffers;

namespace Levee.Tiers;

/// <summary>Bytes in an array of the shared pool, given back when disposed.</summary>
public sealed class RentedRecord : IDisposable
{
    private byte[]? array;

    /// <param name="length">How many bytes are needed.</param>
    public RentedRecord(int length)
    {
        array = ArrayPool<byte>.Shared.Rent(length);
        Length = length;
    }

    /// <summary>How many of the bytes count; may be lowered or raised within what was rented.</summary>
    public int Length { get; set; }

    /// <summary>The bytes.</summary>
    public Span<byte> Span => Memory.Span;

    /// <summary>The bytes.</summary>
    public Memory<byte> Memory => (array ?? throw new ObjectDisposedException(nameof(RentedRecord))).AsMemory(0, Length);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref array, null) is { } rented)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}
