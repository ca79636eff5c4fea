using System.Buffers.Binary;
using Levee.Memory;
using Levee.Segments;

namespace Levee.Tiers.Segments;

/// <summary>A plain record whose large value waits beside it.</summary>
internal static class LargeRecord
{
    /// <summary>Copies the value behind the record, makes the record say so, and drops the reference to the value.</summary>
    /// <param name="plain">The record, with room for the value at its end.</param>
    /// <param name="large">The value; the caller's reference.</param>
    public static void Complete(Span<byte> plain, LargeValue large)
    {
        large.CopyTo(0, plain[^large.Length..]);
        large.Release();
        BinaryPrimitives.WriteInt32LittleEndian(plain[4..], plain.Length);
        BinaryPrimitives.WriteInt32LittleEndian(plain[32..], plain.Length - TierRecord.HeaderBytes);
    }
}
