using System.Globalization;

namespace Levee.Serving;

/// <summary>Turns the texts of options into values, and refuses what is not allowed.</summary>
/// <param name="read">Gives the text of an option and where it came from, or null for its default.</param>
internal sealed class OptionValues(Func<ServeOption, (string Text, string Source)?> read)
{
    /// <summary>The longest time that an option takes: ten years.</summary>
    private static readonly TimeSpan LongestTime = TimeSpan.FromDays(10 * 366);

    /// <summary>Reads a text; false where it is not allowed.</summary>
    public delegate bool Parser<T>(string text, out T value);

    /// <summary>Whether the option was given.</summary>
    public bool Has(ServeOption option) => read(option) is not null;

    /// <summary>The value of an option.</summary>
    /// <exception cref="OptionException">It is not allowed; the message names option, value, source and what is allowed.</exception>
    public T Get<T>(ServeOption option, Parser<T> parse)
    {
        var (text, source) = read(option) ?? (option.Default, "default");
        if (!parse(text, out var value))
        {
            throw new OptionException($"{option.Name} is '{text}' (from {source}); allowed: {option.Allowed}");
        }

        return value;
    }

    /// <summary>Any text.</summary>
    public static bool Any(string text, out string value)
    {
        value = text;
        return true;
    }

    /// <summary>One of some words, in any case.</summary>
    public static bool OneOf(string text, string[] allowed, out string value)
    {
        value = text.ToLowerInvariant();
        return allowed.Contains(value);
    }

    /// <summary>A whole number within bounds.</summary>
    public static bool TryCount(string text, int min, int max, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= min && value <= max;

    /// <summary>A time from zero to ten years.</summary>
    public static bool TryTime(string text, out TimeSpan value)
    {
        value = TimeSpan.Zero;
        if (!Duration.TryParseMilliseconds(text, out var milliseconds) || milliseconds > LongestTime.TotalMilliseconds)
        {
            return false;
        }

        value = TimeSpan.FromMilliseconds(milliseconds);
        return true;
    }
}
