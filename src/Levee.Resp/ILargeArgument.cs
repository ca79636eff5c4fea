namespace Levee.Resp;

/// <summary>Where a large argument's bytes go as they arrive. Disposing it gives its memory back.</summary>
public interface ILargeArgument : IDisposable
{
    /// <summary>
    /// Room for the next bytes, not beyond the argument's length. Empty before all have come: there is none now; the assembler then reports
    /// <see cref="AssemblerStatus.NeedsRoom"/> and asks again.
    /// </summary>
    Span<byte> Unfilled();

    /// <summary>Bytes were written to the front of <see cref="Unfilled"/>.</summary>
    /// <param name="count">How many.</param>
    void Advance(int count);
}

/// <summary>Gives room for large arguments.</summary>
public interface ILargeArgumentSource
{
    /// <summary>Room for an argument, or null when there is none now: the assembler then reports <see cref="AssemblerStatus.NeedsRoom"/> and asks again.</summary>
    /// <param name="length">The argument's length in bytes.</param>
    ILargeArgument? TryCreate(int length);
}
