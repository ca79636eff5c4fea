using System.Text.RegularExpressions;

namespace Levee.Serving;

/// <summary>Takes secrets out of what libraries say: a provider that refuses a connection string likes to repeat it.</summary>
public static partial class Redaction
{
    private const string Instead = "***";

    /// <summary>A message without the secrets that it may hold: a text that is known to be secret, user and password of addresses, and the values of keys that are called like secrets.</summary>
    /// <param name="message">What was said.</param>
    /// <param name="secret">A text that must not be in it; empty: none is known.</param>
    public static string Of(string message, string secret)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(secret);
        var without = secret.Length == 0 ? message : message.Replace(secret, Instead, StringComparison.Ordinal);
        return SecretValue().Replace(UserInfo().Replace(without, $"://{Instead}@"), $"$1={Instead}");
    }

    /// <summary>A password that was not escaped may hold any character but a blank: all up to the last '@'.</summary>
    [GeneratedRegex(@"://\S*@")]
    private static partial Regex UserInfo();

    [GeneratedRegex("""\b([a-z ]*(?:password|pwd|key|secret|token|signature|sig))\s*=\s*("[^"]*"|'[^']*'|[^;,\s]+)""", RegexOptions.IgnoreCase)]
    private static partial Regex SecretValue();
}
