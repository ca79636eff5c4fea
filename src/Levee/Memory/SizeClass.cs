using System.Numerics;

namespace Levee.Memory;

/// <summary>
/// The slot sizes of a slab, in bytes: multiples of 8 up to 256, from there eight steps to each doubling (at most an eighth is lost to rounding), up to a quarter of a page.
/// </summary>
internal static class SizeClass
{
    public const int SmallestBytes = 32;
    public const int LargestBytes = PageArena.PageBytes / 4;

    private const int FineLimit = 256;
    private const int FineStep = 8;
    private const int FineCount = ((FineLimit - SmallestBytes) / FineStep) + 1;
    private const int StepsPerDoubling = 8;

    /// <summary>How many classes there are.</summary>
    public static int Count { get; } = Of(LargestBytes) + 1;

    /// <summary>The smallest class whose slots hold a number of bytes, 1 to <see cref="LargestBytes"/>.</summary>
    public static int Of(int bytes)
    {
        if (bytes <= FineLimit)
        {
            return (Math.Max(bytes, SmallestBytes) - SmallestBytes + FineStep - 1) / FineStep;
        }

        var doubling = BitOperations.Log2((uint)(bytes - 1)) - 8;
        var step = 1 << (doubling + 5);
        var within = (bytes - (FineLimit << doubling) + step - 1) / step;
        return FineCount - 1 + (doubling * StepsPerDoubling) + within;
    }

    /// <summary>The slot size of a class.</summary>
    public static int Bytes(int sizeClass)
    {
        if (sizeClass < FineCount)
        {
            return SmallestBytes + (sizeClass * FineStep);
        }

        var (doubling, within) = int.DivRem(sizeClass - FineCount, StepsPerDoubling);
        return (FineLimit << doubling) + ((within + 1) << (doubling + 5));
    }

    /// <summary>The slot size that a number of bytes is rounded up to.</summary>
    public static int RoundUp(int bytes) => Bytes(Of(bytes));
}
