using System.Numerics;

namespace Levee.Tiers;

/// <summary>
/// A partition as it is written down: its number and how many partitions there were (log2 of it in bits 16 to 20). A cache that comes back with more or fewer partitions finds those that
/// hold the same hashes; where there are fewer, what was said of one is said of the larger one that it is a part of, which can only lose more.
/// </summary>
internal static class PartitionMark
{
    private const int CountShift = 16;

    /// <summary>The mark of a partition.</summary>
    public static int Of(int partition, int count) => partition | (BitOperations.Log2((uint)count) << CountShift);

    /// <summary>The partitions of today that hold hashes of the marked one; empty where the mark is none.</summary>
    public static Range Today(int mark, int count)
    {
        var bits = mark >> CountShift;
        var partition = mark & ((1 << CountShift) - 1);
        var today = BitOperations.Log2((uint)count);
        if (mark < 0 || bits > CountShift || partition >> bits != 0)
        {
            return default;
        }

        return today >= bits
            ? (partition << (today - bits))..((partition + 1) << (today - bits))
            : (partition >> (bits - today))..((partition >> (bits - today)) + 1);
    }
}
