using System.Numerics;

namespace Levee.Tiers.Money;

/// <summary>
/// How often an entry that was taken down is read again, by size class (powers of two). Old counts fade: a class is halved whenever it has seen 4096 demotions.
/// A class begins as if 256 entries had been read once each, so that it is tried before it is judged. Safe for threads; a count lost to a race does not matter.
/// Not by age: when an entry is read again nobody knows how old it was when it was taken down.
/// </summary>
public sealed class ReuseMeter
{
    private const int Classes = 28;
    private const long FirstEntries = 256;
    private const long HalvedAt = 4096;

    private readonly long[] demoted = new long[Classes];
    private readonly long[] reused = new long[Classes];

    /// <summary>Begins with the prior alone.</summary>
    public ReuseMeter()
    {
        Array.Fill(demoted, FirstEntries);
        Array.Fill(reused, FirstEntries);
    }

    /// <summary>Counts an entry that was taken down.</summary>
    public void Demoted(int bytes)
    {
        var i = ClassOf(bytes);
        if (Interlocked.Increment(ref demoted[i]) == HalvedAt)
        {
            Interlocked.Add(ref demoted[i], -(HalvedAt / 2));
            Interlocked.Add(ref reused[i], -(Interlocked.Read(ref reused[i]) / 2));
        }
    }

    /// <summary>Counts a hit on an entry that had been taken down.</summary>
    public void Reused(int bytes) => Interlocked.Increment(ref reused[ClassOf(bytes)]);

    /// <summary>How many hits an entry of this size brings, on average; above 1 where entries come back more than once, and never 0 (Laplace's rule of succession).</summary>
    public double ExpectedReuses(int bytes)
    {
        var i = ClassOf(bytes);
        return (Interlocked.Read(ref reused[i]) + 1d) / (Interlocked.Read(ref demoted[i]) + 1d);
    }

    private static int ClassOf(int bytes) => Math.Min(Classes - 1, BitOperations.Log2((uint)Math.Max(1, bytes)));
}
