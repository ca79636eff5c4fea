using System.Globalization;

namespace Levee.Serving;

/// <summary>Durations as people write them: a number and ms, s, m, h or d; a bare number is seconds.</summary>
public static class Duration
{
    /// <summary>What is allowed, for messages and help.</summary>
    public const string Allowed = "a number above 0 with ms, s, m, h or d (a bare number is seconds), at most 36500d";

    private static readonly TimeSpan Longest = TimeSpan.FromDays(36_500);

    /// <summary>Reads a duration of at least a millisecond, its unit in any case; false where it is none.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        if (!TryParseMilliseconds(text.ToLowerInvariant(), out var milliseconds) || milliseconds < 1 || milliseconds > Longest.TotalMilliseconds)
        {
            return false;
        }

        duration = TimeSpan.FromMilliseconds(milliseconds);
        return true;
    }

    /// <summary>Reads a finite number of milliseconds, its unit in lower case; the bounds are the caller's.</summary>
    public static bool TryParseMilliseconds(string text, out double milliseconds)
    {
        var digits = text.AsSpan().TrimEnd("mshd");
        double unit = text[digits.Length..] switch { "ms" => 1, "" or "s" => 1000, "m" => 60_000, "h" => 3_600_000, "d" => 86_400_000, _ => double.NaN };
        milliseconds = double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) ? number * unit : double.NaN;
        return double.IsFinite(milliseconds);
    }
}
