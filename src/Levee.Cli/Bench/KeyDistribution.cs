using System.Globalization;

namespace Levee.Cli.Bench;

/// <summary>Which keys a bench asks for: uniform, <c>zipf:0.99</c>, or <c>trace:FILE</c>.</summary>
internal sealed record KeyDistribution(double ZipfExponent, string? TraceFile)
{
    /// <summary>What is allowed, for messages and help.</summary>
    public const string Allowed = "uniform, zipf:EXPONENT (above 0, at most 10) or trace:FILE";

    public static KeyDistribution Uniform { get; } = new(0, null);

    /// <summary>The distribution as one would write it.</summary>
    public override string ToString() =>
        TraceFile is not null ? $"trace:{TraceFile}" : ZipfExponent > 0 ? string.Create(CultureInfo.InvariantCulture, $"zipf:{ZipfExponent}") : "uniform";

    public static bool TryParse(string text, out KeyDistribution distribution)
    {
        distribution = Uniform;
        var (name, detail) = text.Split(':', 2) switch { [var head, var tail] => (head, tail), [var head] => (head, null), _ => (text, null) };
        switch (name)
        {
            case "uniform":
                return detail is null;
            case "zipf" when detail is null:
                distribution = new KeyDistribution(0.99, null);
                return true;
            case "zipf" when double.TryParse(detail, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var exponent) && exponent is > 0 and <= 10:
                distribution = new KeyDistribution(exponent, null);
                return true;
            case "trace" when detail is { Length: > 0 }:
                distribution = new KeyDistribution(0, detail);
                return true;
            default:
                return false;
        }
    }
}
