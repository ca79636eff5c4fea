using System.Buffers.Text;
using Levee.Keys;

namespace Levee.Learning;

/// <summary>Ids of a trace's keys for <see cref="PrefetchSimulation"/>: numbers stay numbers, at the end of a text too, as a running prefetcher sees them. One thread at a time.</summary>
public sealed class TraceKeyIds
{
    /// <summary>Makes room for as many prefixes as there can be.</summary>
    private const int Capacity = 1 << 17;

    private readonly KeyIds texts = new(Capacity);

    /// <summary>The id of a key.</summary>
    /// <param name="key">The key: a number, or any text.</param>
    /// <param name="isNumber">Whether the id can be a member of a progression.</param>
    public ulong IdOf(ReadOnlySpan<byte> key, out bool isNumber)
    {
        if (key.Length > 0 && (key[0] != '0' || key.Length == 1) && Utf8Parser.TryParse(key, out ulong number, out var consumed) && consumed == key.Length && key[0] != '+')
        {
            return IdOf(number, out isNumber);
        }

        return texts.IdOf(key, KeyHash.Of(key), out isNumber);
    }

    /// <summary>The id of a key that is a number: the number itself below 2^32, else a hash.</summary>
    public static ulong IdOf(ulong number, out bool isNumber)
    {
        isNumber = number <= uint.MaxValue;
        Span<byte> text = stackalloc byte[20];
        return isNumber ? number : Utf8Formatter.TryFormat(number, text, out var written) ? KeyHash.Of(text[..written]) : number;
    }
}
