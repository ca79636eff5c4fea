using System.Buffers.Text;
using System.Numerics;
using Levee.Keys;

namespace Levee.Learning;

/// <summary>What an id that was predicted turns back into.</summary>
internal enum KeyForm
{
    /// <summary>The id is a routing hash, and no more is known.</summary>
    Hash,

    /// <summary>A prefix and a number, which make a key.</summary>
    Number,

    /// <summary>A number that does not exist in the prefix' form.</summary>
    None,
}

/// <summary>
/// Gives keys ids in which numbers stay numbers. A key that ends in a decimal number below 2^32 has the id
/// <code>
///  63      32 31       0
///  prefix hash  number
/// </code>
/// and every other key its routing hash: one without digits at its end, with more than ten of them, or with a negative number. A number with leading zeros has a fixed width, which belongs to its prefix: 7, 07 and 007 are members of
/// three sequences. A prefix counts only from its third key on, as long as a bounded table has room for it: keys of a great many prefixes (order:17:line:2) keep their routing hashes, by which a log of misses serves them.
/// <para>
/// The table holds prefixes of up to 64 bytes in sets of four, which are kept as Misra and Gries keep frequent items: a new prefix takes one from the count of the least frequent in its set, and its place when nothing is left.
/// A routing hash that happens to begin like a prefix in the table, one in some million, is taken for a number; what is predicted by it is then not found.
/// </para>
/// </summary>
internal sealed class KeyIds
{
    /// <summary>The longest prefix that is kept, in bytes.</summary>
    public const int MaxPrefixBytes = 64;

    private const int MaxDigits = 10;
    private const int Ways = 4;
    private const int Established = 3;
    private const int MaxCount = 16;
    private const int EntriesPerPrefix = 64;
    private const int LeastSets = 8;
    private const int MostSets = 1024;

    private readonly uint[] codes;
    private readonly Prefix[] prefixes;
    private readonly byte[] bytes;
    private readonly int setMask;

    /// <param name="capacity">Entries in memory: there is one prefix for 64, at least 32 and at most 4,096.</param>
    public KeyIds(int capacity)
    {
        var sets = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(capacity / (EntriesPerPrefix * Ways), LeastSets, MostSets));
        setMask = sets - 1;
        codes = new uint[sets * Ways];
        prefixes = new Prefix[sets * Ways];
        bytes = new byte[sets * Ways * MaxPrefixBytes];
    }

    /// <summary>The memory that it holds, in bytes.</summary>
    public long MemoryBytes => codes.Length * (sizeof(uint) + 4L + MaxPrefixBytes);

    /// <summary>The id of a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="hash">Its routing hash.</param>
    /// <param name="isNumber">Whether the id is a number under a prefix.</param>
    public ulong IdOf(ReadOnlySpan<byte> key, ulong hash, out bool isNumber)
    {
        var code = 0u;
        isNumber = TrySplit(key, out var prefixLength, out var number) && TryEstablish(key[..prefixLength], WidthOf(key[prefixLength..]), out code);
        return isNumber ? ((ulong)code << 32) | number : hash;
    }

    /// <summary>Writes the key of an id.</summary>
    /// <param name="id">The id.</param>
    /// <param name="key">Takes the key; room for <see cref="KeyList.MaxKeyBytes"/>.</param>
    /// <param name="length">Its length; 0 unless it is a <see cref="KeyForm.Number"/>.</param>
    public KeyForm Format(ulong id, Span<byte> key, out int length)
    {
        length = 0;
        var code = (uint)(id >> 32);
        var start = (int)(code & (uint)setMask) * Ways;
        for (var way = start; way < start + Ways; way++)
        {
            if (codes[way] != code || prefixes[way].Count == 0 || !prefixes[way].IsEstablished)
            {
                continue;
            }

            ref readonly var prefix = ref prefixes[way];
            bytes.AsSpan(way * MaxPrefixBytes, prefix.Length).CopyTo(key);
            var digits = key[prefix.Length..];
            var isWritten = Utf8Formatter.TryFormat((uint)id, digits, out var written, new('D', prefix.Width));
            Invariant.Holds(isWritten, "A prefix and ten digits are shorter than the longest key.");

            // As many digits as the width without a leading zero: that is a member of the sequence without a width.
            if (prefix.Width > 0 && digits[0] != '0')
            {
                return KeyForm.None;
            }

            length = prefix.Length + written;
            return KeyForm.Number;
        }

        return KeyForm.Hash;
    }

    private static bool TrySplit(ReadOnlySpan<byte> key, out int prefixLength, out uint number)
    {
        prefixLength = key.Length;
        while (prefixLength > 0 && key[prefixLength - 1] is >= (byte)'0' and <= (byte)'9')
        {
            prefixLength--;
        }

        number = 0;
        var digits = key[prefixLength..];
        return digits.Length is > 0 and <= MaxDigits && prefixLength <= MaxPrefixBytes && !IsNegative(key[..prefixLength])
            && Utf8Parser.TryParse(digits, out number, out var consumed) && consumed == digits.Length;
    }

    /// <summary>Whether a prefix ends in a minus: one that does not join the number to a word, as in item-5.</summary>
    private static bool IsNegative(ReadOnlySpan<byte> prefix) =>
        prefix.EndsWith("-"u8) && (prefix.Length == 1 || (prefix[^2] < 0x80 && !char.IsAsciiLetterOrDigit((char)prefix[^2])));

    private static int WidthOf(ReadOnlySpan<byte> digits) => digits.Length > 1 && digits[0] == '0' ? digits.Length : 0;

    /// <summary>Counts a prefix.</summary>
    /// <returns>Whether it has been seen often enough; then the code is the upper half of the id.</returns>
    private bool TryEstablish(ReadOnlySpan<byte> text, int width, out uint code)
    {
        code = (uint)((KeyHash.Of(text) + ((ulong)width * 0x9E3779B97F4A7C15)) >> 32);
        var start = (int)(code & (uint)setMask) * Ways;
        var least = start;
        for (var way = start; way < start + Ways; way++)
        {
            ref var prefix = ref prefixes[way];
            if (prefix.Count > 0 && codes[way] == code && prefix.Width == width && text.SequenceEqual(bytes.AsSpan(way * MaxPrefixBytes, prefix.Length)))
            {
                prefix.Count = (byte)Math.Min(MaxCount, prefix.Count + 1);
                prefix.IsEstablished |= prefix.Count >= Established;
                return prefix.IsEstablished;
            }

            least = prefix.Count < prefixes[least].Count ? way : least;
        }

        ref var weakest = ref prefixes[least];
        if (weakest.Count > 0)
        {
            weakest.Count--;
        }

        if (weakest.Count == 0)
        {
            codes[least] = code;
            weakest = new Prefix { Length = (byte)text.Length, Width = (byte)width, Count = 1 };
            text.CopyTo(bytes.AsSpan(least * MaxPrefixBytes));
        }

        return false;
    }

    private struct Prefix
    {
        public byte Length;
        public byte Width;
        public byte Count;
        public bool IsEstablished;
    }
}
