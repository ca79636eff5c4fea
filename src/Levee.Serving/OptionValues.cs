using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

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
            throw new OptionException($"{option.Name} is '{option.Shown(text)}' (from {source}); allowed: {option.Allowed}");
        }

        return value;
    }

    /// <summary>Refuses an option whose value is allowed by itself, and not with the others.</summary>
    /// <param name="option">The option.</param>
    /// <param name="why">What is in its way, and what would be right.</param>
    public OptionException Refusal(ServeOption option, string why)
    {
        var (text, source) = read(option) ?? (option.Default, "default");
        return new OptionException($"{option.Name} is '{option.Shown(text)}' (from {source}): {why}");
    }

    /// <summary>The words of a refusal, without the name of the parameter that the framework adds.</summary>
    public static string Reason(Exception refusal) =>
        refusal is ArgumentException { ParamName: { } name } ? refusal.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : refusal.Message;

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

    /// <summary>Yes or no.</summary>
    public static bool TryYesNo(string text, out bool value)
    {
        var isWord = OneOf(text, ["yes", "no"], out var word);
        value = word == "yes";
        return isWord;
    }

    /// <summary>An IP address written in full. The framework takes "0" for 0.0.0.0 as well, and "127.1" or "010.0.0.1" for addresses that nobody meant.</summary>
    public static bool TryAddress(string text, [NotNullWhen(true)] out IPAddress? value) =>
        IPAddress.TryParse(text, out value) && (value.AddressFamily == AddressFamily.InterNetworkV6 || value.ToString() == text);

    /// <summary>An IP address written in full, with a port.</summary>
    public static bool TryEndPoint(string text, [NotNullWhen(true)] out IPEndPoint? value) =>
        IPEndPoint.TryParse(text, out value) && value.Port > 0 && (value.AddressFamily == AddressFamily.InterNetworkV6 || value.ToString() == text);

    /// <summary>The name of a file or folder: nothing that no name can hold.</summary>
    public static bool TryPath(string text, out string value)
    {
        value = text;
        return !text.Any(char.IsControl);
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
