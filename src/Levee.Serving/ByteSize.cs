namespace Levee.Serving;

/// <summary>Sizes as people write them: a whole number and b, kb, mb, gb or tb, each 1024 times the one before.</summary>
public static class ByteSize
{
    /// <summary>What is allowed, for messages and help.</summary>
    public const string Allowed = "a whole number with an optional suffix b, kb, mb, gb or tb";

    private static readonly string[] Suffixes = ["b", "kb", "mb", "gb", "tb"];

    /// <summary>Reads a size; false where it is none, or more than a long holds.</summary>
    public static bool TryParse(string text, out long bytes)
    {
        var digits = text.AsSpan().TrimEnd("bkmgtBKMGT");
        var suffix = text[digits.Length..].ToLowerInvariant();
        var power = suffix.Length == 0 ? 0 : Array.IndexOf(Suffixes, suffix);
        bytes = 0;
        if (power < 0 || !long.TryParse(digits, System.Globalization.NumberStyles.None, null, out var number) || number > long.MaxValue >> (10 * power))
        {
            return false;
        }

        bytes = number << (10 * power);
        return true;
    }

    /// <summary>Writes a size with the largest suffix that leaves it whole.</summary>
    public static string Format(long bytes)
    {
        var power = 0;
        while (bytes != 0 && bytes % 1024 == 0 && power < Suffixes.Length - 1)
        {
            bytes /= 1024;
            power++;
        }

        return $"{bytes}{Suffixes[power]}";
    }
}
