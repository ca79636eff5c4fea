using System.Diagnostics.CodeAnalysis;

namespace Levee.Server.Resp;

/// <summary>
/// A glob as in Redis' KEYS: <c>*</c>, <c>?</c>, <c>[abc]</c>, <c>[^a-c]</c>, and <c>\</c> before a byte that stands for itself.
/// <para>
/// The pattern is read once, into a bit for each byte and each place that the byte fits (Baeza-Yates and Gonnet, "A New Approach to Text
/// Searching", 1992: Shift-And). Between two stars stands a
/// run of places; the first run is bound to the text's begin, the last one to its end, and each run between is looked for from where the
/// one before ended. So matching takes a step for each byte of
/// the text and each 64 places, whatever the pattern: nobody's pattern holds up others.
/// </para>
/// </summary>
internal sealed class GlobPattern
{
    /// <summary>The longest pattern, in bytes.</summary>
    public const int MaxBytes = 1024;

    /// <summary>What is said to a longer one.</summary>
    public static readonly string TooLong = $"ERR pattern too long: at most {MaxBytes} bytes";

    private const int WordBits = 64;

    private readonly int words;
    private readonly ulong[] places;
    private readonly List<(int Begin, int End)> runs = [];
    private readonly int placeCount;

    private GlobPattern(ReadOnlySpan<byte> pattern)
    {
        words = (pattern.Length + WordBits - 1) / WordBits;
        places = new ulong[256 * words];
        var begin = 0;
        for (var at = 0; at < pattern.Length;)
        {
            if (pattern[at] == '*')
            {
                runs.Add((begin, placeCount));
                begin = placeCount;
                at++;
                continue;
            }

            at = ReadPlace(pattern, at);
            placeCount++;
        }

        runs.Add((begin, placeCount));
    }

    /// <summary>What it takes, in bytes.</summary>
    public int SizeBytes => places.Length * sizeof(ulong);

    /// <summary>Reads a pattern.</summary>
    /// <returns>False where it is longer than <see cref="MaxBytes"/>.</returns>
    public static bool TryCreate(ReadOnlySpan<byte> pattern, [NotNullWhen(true)] out GlobPattern? glob)
    {
        glob = pattern.Length <= MaxBytes ? new GlobPattern(pattern) : null;
        return glob is not null;
    }

    /// <summary>Whether a text matches as a whole.</summary>
    public bool Matches(ReadOnlySpan<byte> text)
    {
        var first = runs[0];
        if (text.Length < placeCount || !FitsAt(text, 0, first))
        {
            return false;
        }

        var position = first.End;
        if (runs.Count == 1)
        {
            return position == text.Length;
        }

        for (var i = 1; i < runs.Count - 1; i++)
        {
            position = EndOf(runs[i], text, position);
            if (position < 0)
            {
                return false;
            }
        }

        var last = runs[^1];
        var lastAt = text.Length - (last.End - last.Begin);
        return lastAt >= position && FitsAt(text, lastAt, last);
    }

    private bool FitsAt(ReadOnlySpan<byte> text, int position, (int Begin, int End) run)
    {
        for (var place = run.Begin; place < run.End; place++)
        {
            if ((places[(text[position++] * words) + (place / WordBits)] >> (place % WordBits) & 1) == 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Where the leftmost piece of text that fits a run ends; -1: there is none.</summary>
    private int EndOf((int Begin, int End) run, ReadOnlySpan<byte> text, int position)
    {
        if (run.Begin == run.End)
        {
            return position;
        }

        // Bit i is set where the text that ends here fits the run's places up to i.
        Span<ulong> fits = stackalloc ulong[MaxBytes / WordBits];
        var firstWord = run.Begin / WordBits;
        var lastWord = (run.End - 1) / WordBits;
        fits = fits[..(lastWord - firstWord + 1)];
        fits.Clear();
        var isWhole = 1UL << ((run.End - 1) % WordBits);
        while (position < text.Length)
        {
            var carried = 1UL << (run.Begin % WordBits);
            var row = places.AsSpan((text[position++] * words) + firstWord, fits.Length);
            for (var i = 0; i < fits.Length; i++)
            {
                var next = fits[i] >> (WordBits - 1);
                fits[i] = ((fits[i] << 1) | carried) & row[i];
                carried = next;
            }

            if ((fits[^1] & isWhole) != 0)
            {
                return position;
            }
        }

        return -1;
    }

    /// <summary>Reads what stands for one byte of the text.</summary>
    /// <returns>Where the pattern goes on.</returns>
    private int ReadPlace(ReadOnlySpan<byte> pattern, int at)
    {
        switch (pattern[at])
        {
            case (byte)'?':
                AddRange(0, 255);
                return at + 1;
            case (byte)'[':
                return ReadSet(pattern, at + 1);
            case (byte)'\\' when at + 1 < pattern.Length:
                AddRange(pattern[at + 1], pattern[at + 1]);
                return at + 2;
            default:
                AddRange(pattern[at], pattern[at]);
                return at + 1;
        }
    }

    private int ReadSet(ReadOnlySpan<byte> pattern, int at)
    {
        var isNegated = at < pattern.Length && pattern[at] == '^';
        at += isNegated ? 1 : 0;
        for (; at < pattern.Length && pattern[at] != ']'; at++)
        {
            if (pattern[at] == '\\' && at + 1 < pattern.Length)
            {
                at++;
                AddRange(pattern[at], pattern[at]);
            }
            else if (at + 2 < pattern.Length && pattern[at + 1] == '-')
            {
                AddRange(Math.Min(pattern[at], pattern[at + 2]), Math.Max(pattern[at], pattern[at + 2]));
                at += 2;
            }
            else
            {
                AddRange(pattern[at], pattern[at]);
            }
        }

        if (isNegated)
        {
            for (var value = 0; value < 256; value++)
            {
                places[(value * words) + (placeCount / WordBits)] ^= 1UL << (placeCount % WordBits);
            }
        }

        return Math.Min(at + 1, pattern.Length);
    }

    /// <summary>Bytes from one to another fit the place that is being read.</summary>
    private void AddRange(int low, int high)
    {
        for (var value = low; value <= high; value++)
        {
            places[(value * words) + (placeCount / WordBits)] |= 1UL << (placeCount % WordBits);
        }
    }
}
