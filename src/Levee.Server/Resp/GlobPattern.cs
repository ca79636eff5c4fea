namespace Levee.Server.Resp;

/// <summary>A glob as in Redis' KEYS: <c>*</c>, <c>?</c>, <c>[abc]</c>, <c>[^a-c]</c>, and <c>\</c> before a byte that stands for itself. Matching is linear in text times pattern at worst.</summary>
internal sealed class GlobPattern(ReadOnlySpan<byte> pattern)
{
    private readonly byte[] pattern = pattern.ToArray();

    /// <summary>Whether a text matches as a whole.</summary>
    public bool Matches(ReadOnlySpan<byte> text)
    {
        // Only the last star is ever gone back to: what an earlier one could take, a later one can.
        var at = 0;
        var position = 0;
        var starAt = -1;
        var starPosition = 0;
        while (position < text.Length)
        {
            if (at < pattern.Length && pattern[at] == '*')
            {
                starAt = at++;
                starPosition = position;
            }
            else if (at < pattern.Length && MatchesOne(text[position], at, out var next))
            {
                at = next;
                position++;
            }
            else if (starAt >= 0)
            {
                at = starAt + 1;
                position = ++starPosition;
            }
            else
            {
                return false;
            }
        }

        while (at < pattern.Length && pattern[at] == '*')
        {
            at++;
        }

        return at == pattern.Length;
    }

    private bool MatchesOne(byte value, int at, out int next)
    {
        next = at + 1;
        switch (pattern[at])
        {
            case (byte)'?':
                return true;
            case (byte)'[':
                return MatchesSet(value, at, out next);
            case (byte)'\\' when at + 1 < pattern.Length:
                next = at + 2;
                return pattern[at + 1] == value;
            default:
                return pattern[at] == value;
        }
    }

    private bool MatchesSet(byte value, int at, out int next)
    {
        var i = at + 1;
        var isNegated = i < pattern.Length && pattern[i] == '^';
        i += isNegated ? 1 : 0;
        var isIn = false;
        for (; i < pattern.Length && pattern[i] != ']'; i++)
        {
            if (pattern[i] == '\\' && i + 1 < pattern.Length)
            {
                isIn |= pattern[++i] == value;
            }
            else if (i + 2 < pattern.Length && pattern[i + 1] == '-')
            {
                var low = Math.Min(pattern[i], pattern[i + 2]);
                var high = Math.Max(pattern[i], pattern[i + 2]);
                isIn |= value >= low && value <= high;
                i += 2;
            }
            else
            {
                isIn |= pattern[i] == value;
            }
        }

        next = Math.Min(i + 1, pattern.Length);
        return isIn != isNegated;
    }
}
