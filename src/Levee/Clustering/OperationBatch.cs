using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Levee.Operations;

namespace Levee.Clustering;

/// <summary>
/// Packs operations into a request. Used again and again; the request is an array of its own. Not for several threads.
/// <code>
///  0 version  1   1             2 count   2   operations               12 voided   8 each   batches whose caller has given up on them: they must not run any more
///  1 voided   1   how many      4 batch   8   number of the batch         then the operations, as <see cref="PackedOperation"/> says
/// </code>
/// </summary>
internal sealed class OperationBatchWriter
{
    public const byte Version = 1;
    public const int HeadBytes = 12;

    private readonly byte[] buffer = GC.AllocateUninitializedArray<byte>(BatchLimits.MaxBytes);
    private int length;

    /// <summary>Operations so far.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes so far.</summary>
    public int Bytes => length;

    /// <summary>Begins a request.</summary>
    public void Begin(long batch)
    {
        buffer[0] = Version;
        buffer[1] = 0;
        BinaryPrimitives.WriteInt64LittleEndian(buffer.AsSpan(4), batch);
        length = HeadBytes;
        Count = 0;
    }

    /// <summary>Says that a batch must not run any more. Before the first operation; what does not fit is left out.</summary>
    public void Void(long batch)
    {
        if (buffer[1] < BatchLimits.MaxVoided)
        {
            buffer[1]++;
            BinaryPrimitives.WriteInt64LittleEndian(buffer.AsSpan(length), batch);
            length += 8;
        }
    }

    /// <summary>Whether an operation of a length fits.</summary>
    public bool Fits(int bytes) => Count < BatchLimits.MaxOperations && bytes <= buffer.Length - length;

    /// <summary>Adds an operation.</summary>
    /// <returns>False where the request is full.</returns>
    public bool TryAdd(int lane, scoped in Operation operation)
    {
        var traits = PackedOperation.TraitsOf(operation);
        var bytes = PackedOperation.Length(operation, traits);
        if (!Fits(bytes))
        {
            return false;
        }

        PackedOperation.Write(buffer.AsSpan(length, bytes), lane, operation, traits);
        length += bytes;
        Count++;
        return true;
    }

    /// <summary>Adds a packed operation that <see cref="Fits"/>.</summary>
    /// <returns>Where it begins in the request.</returns>
    public int Add(ReadOnlySpan<byte> packed)
    {
        var start = length;
        packed.CopyTo(buffer.AsSpan(length));
        length += packed.Length;
        Count++;
        return start;
    }

    /// <summary>Gives the large value of the operation that begins at an offset its number.</summary>
    public void SetLargeNumber(int start, long number) => PackedOperation.SetLargeNumber(buffer.AsSpan(start), number);

    /// <summary>The request.</summary>
    public byte[] ToArray()
    {
        BinaryPrimitives.WriteUInt16LittleEndian(buffer.AsSpan(2), (ushort)Count);
        var request = GC.AllocateUninitializedArray<byte>(length);
        buffer.AsSpan(0, length).CopyTo(request);
        return request;
    }
}

/// <summary>Reads a request, or something that claims to be one.</summary>
internal ref struct OperationBatchReader
{
    private readonly ReadOnlySpan<byte> request;
    private int position;

    /// <exception cref="FormatException">It is no request of a version that this program reads.</exception>
    public OperationBatchReader(ReadOnlySpan<byte> request)
    {
        this.request = request;
        if (request.Length is < OperationBatchWriter.HeadBytes or > BatchLimits.MaxBytes)
        {
            throw new FormatException($"a batch of operations is {request.Length} bytes long; it must have {OperationBatchWriter.HeadBytes} to {BatchLimits.MaxBytes}");
        }

        if (request[0] != OperationBatchWriter.Version)
        {
            throw new FormatException($"a batch of operations has version {request[0]}; this program reads version {OperationBatchWriter.Version}");
        }

        Count = BinaryPrimitives.ReadUInt16LittleEndian(request[2..]);
        position = OperationBatchWriter.HeadBytes + (8 * request[1]);
        if (Count > BatchLimits.MaxOperations || request[1] > BatchLimits.MaxVoided || position > request.Length)
        {
            throw new FormatException($"a batch of {request.Length} bytes claims {Count} operations and {request[1]} voided batches");
        }
    }

    /// <summary>The batch's number.</summary>
    public readonly long Batch => BinaryPrimitives.ReadInt64LittleEndian(request[4..]);

    /// <summary>How many operations there are.</summary>
    public int Count { get; }

    /// <summary>Batches that must not run any more.</summary>
    public readonly ReadOnlySpan<long> Voided => MemoryMarshal.Cast<byte, long>(request.Slice(OperationBatchWriter.HeadBytes, 8 * request[1]));

    /// <summary>Finds where the operations begin, without reading them.</summary>
    /// <param name="starts">Takes <see cref="Count"/> + 1 offsets; the last is the request's end.</param>
    /// <exception cref="FormatException">They do not fill the request.</exception>
    public void Locate(Span<int> starts)
    {
        for (var i = 0; i < Count; i++)
        {
            starts[i] = position;
            var left = request.Length - position;
            var length = left < PackedOperation.HeadBytes ? 0 : PackedOperation.Length(request[position..]);
            if (length < PackedOperation.HeadBytes || length > left || PackedOperation.KeyLength(request[position..]) > length - PackedOperation.HeadBytes)
            {
                throw new FormatException($"operation {i} of a batch of {Count} is {length} bytes long where {left} are left");
            }

            position += length;
        }

        starts[Count] = position;
        if (position != request.Length)
        {
            throw new FormatException($"a batch of {Count} operations has {request.Length - position} bytes too many");
        }
    }
}
