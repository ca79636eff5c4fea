using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Levee.Server.Resp;

/// <summary>
/// A script that releases or extends a lock if its value is a token, as libraries send it to Redis: RedLock.net, DistributedLock (and
/// FusionCache's locker, which uses it), redis-py, and what Redis' own documentation of SET shows. No script is run: these few forms are
/// known, in any spacing and quotes and with any names, and each stands for a conditional command.
/// </summary>
/// <param name="Extends">Whether it extends the lock, else it releases it.</param>
/// <param name="TakesAnew">Whether it takes a lock that is gone; then it answers -1, not 0, where another holds it.</param>
/// <param name="InSeconds">Whether the TTL counts seconds, else milliseconds.</param>
/// <param name="Key">The key.</param>
/// <param name="Token">The token.</param>
/// <param name="Ttl">The TTL, where it extends.</param>
internal sealed partial record LockScript(
    bool Extends, bool TakesAnew, bool InSeconds, LockScript.Operand Key, LockScript.Operand Token, LockScript.Operand Ttl)
{
    private const int MaxBytes = 1024;

    /// <summary>The forms: $k, $t and $m stand for KEYS[n] or ARGV[n], $v for a variable's name.</summary>
    private static readonly (string[] Tokens, bool Extends, bool TakesAnew, bool InSeconds)[] Forms =
    [
        Form("if redis.call('get', $k) == $t then return redis.call('del', $k) else return 0 end"),
        Form("if redis.call('get', $k) == $t then return redis.call('del', $k) end return 0"),
        Form("local $v = redis.call('get', $k) if not $v or $v ~= $t then return 0 end redis.call('del', $k) return 1"),
        Form("if redis.call('get', $k) == $t then return redis.call('pexpire', $k, $m) else return 0 end", extends: true),
        Form("if redis.call('get', $k) == $t then return redis.call('pexpire', $k, $m) end return 0", extends: true),
        Form("if redis.call('get', $k) == $t then return redis.call('expire', $k, $m) else return 0 end", extends: true, inSeconds: true),
        Form("if redis.call('get', $k) == $t then return redis.call('expire', $k, $m) end return 0", extends: true, inSeconds: true),
        Form(
            "local $v = redis.call('get', $k) if not $v or $v ~= $t then return 0 end redis.call('pexpire', $k, $m) return 1",
            extends: true),
        Form(
            "local $v = redis.call('get', $k) if ($v == false) then return redis.call('set', $k, $t, 'px', $m) and 1 or 0 " +
            "elseif ($v == $t) then return redis.call('pexpire', $k, $m) else return -1 end",
            extends: true,
            takesAnew: true),
    ];

    /// <summary>Reads a script.</summary>
    /// <returns>False where it is none of the known forms.</returns>
    public static bool TryRead(ReadOnlySpan<byte> script, [NotNullWhen(true)] out LockScript? known)
    {
        known = null;
        if (script.Length > MaxBytes)
        {
            return false;
        }

        var tokens = Tokens(Encoding.UTF8.GetString(script));
        foreach (var form in Forms)
        {
            if (TryBind(form.Tokens, tokens, out var bound))
            {
                var ttl = form.Extends ? bound["$m"] : default;
                known = new LockScript(form.Extends, form.TakesAnew, form.InSeconds, bound["$k"], bound["$t"], ttl);
                return true;
            }
        }

        return false;
    }

    private static bool TryBind(string[] form, List<string> tokens, out Dictionary<string, Operand> operands)
    {
        operands = [];
        string? variable = null;
        if (form.Length != tokens.Count)
        {
            return false;
        }

        for (var i = 0; i < form.Length; i++)
        {
            var (wanted, token) = (form[i], tokens[i]);
            var isBound = wanted == "$v" ? IsName(token) && token == (variable ??= token)
                : wanted[0] == '$' ? Operand.TryParse(token, out var operand) && IsSame(operands, wanted, operand)
                : wanted == token;
            if (!isBound)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether what stands for an operand is what stood for it before.</summary>
    private static bool IsSame(Dictionary<string, Operand> operands, string name, Operand operand) =>
        operands.TryGetValue(name, out var before) ? before == operand : operands.TryAdd(name, operand);

    private static bool IsName(string token) => char.IsAsciiLetter(token[0]) && !token.Contains('[', StringComparison.Ordinal);

    /// <summary>The tokens of a script, in lower case, strings in single quotes, without comments and semicolons.</summary>
    private static List<string> Tokens(string script)
    {
        var tokens = TokenPattern().Matches(CommentPattern().Replace(script, ""));
        return [.. tokens.Select(match => match.Value.ToLowerInvariant().Replace('"', '\'')).Where(token => token != ";")];
    }

    private static (string[] Tokens, bool Extends, bool TakesAnew, bool InSeconds) Form(
        string script, bool extends = false, bool takesAnew = false, bool inSeconds = false) =>
        ([.. Tokens(script)], extends, takesAnew, inSeconds);

    [GeneratedRegex("--[^\n]*")]
    private static partial Regex CommentPattern();

    [GeneratedRegex(@"'[^']*'|""[^""]*""|(?:KEYS|ARGV)\[\d{1,4}\]|\$?[A-Za-z_][A-Za-z0-9_.]*|\d+|==|~=|\S")]
    private static partial Regex TokenPattern();

    /// <summary>Where a script takes something from.</summary>
    /// <param name="IsKey">KEYS, else ARGV.</param>
    /// <param name="Number">From 1 on.</param>
    internal readonly record struct Operand(bool IsKey, int Number)
    {
        public static bool TryParse(string token, out Operand operand)
        {
            var isKey = token.StartsWith("keys[", StringComparison.Ordinal);
            operand = default;
            if ((!isKey && !token.StartsWith("argv[", StringComparison.Ordinal))
                || !int.TryParse(token.AsSpan(5, token.Length - 6), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                return false;
            }

            operand = new Operand(isKey, number);
            return true;
        }

        /// <summary>Its place among the arguments of EVAL: script, number of keys, keys, others.</summary>
        /// <returns>-1 where the command has no such argument.</returns>
        public int Index(int keys, int arguments)
        {
            const int first = 3;
            var index = first + Number - 1 + (IsKey ? 0 : keys);
            return Number < 1 || index >= arguments || (IsKey && Number > keys) ? -1 : index;
        }
    }
}
