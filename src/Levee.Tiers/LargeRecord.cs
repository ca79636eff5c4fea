using Levee.Memory;
using Levee.Segments;

namespace Levee.Tiers;

/// <summary>Puts a record together whose large value waited by reference.</summary>
internal static class LargeRecord
{
    /// <summary>Writes the value, and the lengths that go with it, behind what stands in front of it already.</summary>
    public static void Complete(Span<byte> plain, LargeValue value)
    {
        // What is there says the length of the record without its value.
        var (hash, version, expiresAt) = (TierRecord.Hash(plain), TierRecord.Version(plain), TierRecord.ExpiresAt(plain));
        TierRecord.WriteHeader(plain, TierRecordType.Entry, hash, version, expiresAt);
        value.CopyTo(0, plain[(plain.Length - value.Length)..]);
    }
}
