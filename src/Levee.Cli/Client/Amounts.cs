using System.Globalization;

namespace Levee.Cli.Client;

/// <summary>Sizes, spans of time and money as people read them: three digits are enough.</summary>
internal static class Amounts
{
    private static readonly string[] Units = ["bytes", "KiB", "MiB", "GiB", "TiB"];

    /// <summary>"248 bytes", "1.5 GiB".</summary>
    public static string Bytes(long bytes)
    {
        var size = (double)bytes;
        var unit = 0;
        while (size >= 1024 && unit < Units.Length - 1)
        {
            size /= 1024;
            unit++;
        }

        return unit == 0 ? $"{bytes} {(bytes == 1 ? "byte" : Units[0])}" : string.Create(CultureInfo.InvariantCulture, $"{size:0.0} {Units[unit]}");
    }

    /// <summary>"57 s", "3 min", "5 h", "12 days".</summary>
    public static string Span(long milliseconds) => milliseconds switch
    {
        < 1000 => $"{Math.Max(0, milliseconds)} ms",
        < 120_000 => $"{milliseconds / 1000} s",
        < 7_200_000 => $"{milliseconds / 60_000} min",
        < 172_800_000 => $"{milliseconds / 3_600_000} h",
        _ => $"{milliseconds / 86_400_000} days",
    };

    /// <summary>How long ago an instant was; "just now" also where clocks disagree a little.</summary>
    public static string Ago(long instant, long now) => now - instant < 1000 ? "just now" : $"{Span(now - instant)} ago";

    /// <summary>Dollars with two digits, or as many as show that it is not nothing.</summary>
    public static string Dollars(double dollars) => Math.Abs(dollars) switch
    {
        0 => "$0",
        >= 0.01 => string.Create(CultureInfo.InvariantCulture, $"{(dollars < 0 ? "-" : "")}${Math.Abs(dollars):0.00}"),
        >= 0.000001 => string.Create(CultureInfo.InvariantCulture, $"{(dollars < 0 ? "-" : "")}${Math.Abs(dollars):0.000000}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(dollars < 0 ? "-" : "")}${Math.Abs(dollars):0.0E+0}"),
    };

    /// <summary>A count with its thousands apart.</summary>
    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);
}
