using System.Runtime.Intrinsics.X86;

namespace Levee.Memory;

/// <summary>Asks the processor for memory that will soon be read.</summary>
internal static unsafe class Prefetch
{
    /// <summary>Bytes that come together.</summary>
    public const int LineBytes = 64;

    /// <summary>Fetches the cache line of an address, without waiting for it. Any address will do, even one that may not be read; where the processor's instruction is out of reach, nothing happens.</summary>
    public static void Line(void* address)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(address);
        }
    }
}
