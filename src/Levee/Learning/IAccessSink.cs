namespace Levee.Learning;

/// <summary>Takes what a front door could not answer from memory, in the order in which it was asked for: what a prefetcher learns from.</summary>
public interface IAccessSink
{
    /// <summary>Notes a would-be miss. Never blocks, throws or allocates; safe for threads.</summary>
    /// <param name="key">The key.</param>
    /// <param name="hash">Its routing hash (<see cref="Keys.KeyHash"/>).</param>
    /// <param name="kind">What became of it; anything but <see cref="AccessKind.Hit"/>.</param>
    void Report(ReadOnlySpan<byte> key, ulong hash, AccessKind kind);
}
