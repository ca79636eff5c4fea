using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>
/// EVAL, EVALSHA and SCRIPT for the scripts that release and extend locks (<see cref="LockScript"/>). All others are refused.
/// </summary>
internal static class ScriptCommands
{
    public static readonly Command[] All =
    [
        new("eval", -3, Eval) { IsWrite = true },
        new("evalsha", -3, EvalSha) { IsWrite = true },
        new("script", -2, Script),
    ];

    private static bool Eval(RespConversation c, scoped in Arguments a)
    {
        if (!LockScript.TryRead(a[1], out var script))
        {
            return RefuseScript(c, "EVAL");
        }

        c.Server.Scripts.Add(a[1], script);
        return Run(c, a, script);
    }

    private static bool EvalSha(RespConversation c, scoped in Arguments a) =>
        c.Server.Scripts.TryGet(a[1], out var script) ? Run(c, a, script) : Refuse(c, "NOSCRIPT No matching script. Please use EVAL.");

    private static bool Script(RespConversation c, scoped in Arguments a)
    {
        if (Is(a[1], "LOAD"u8) && a.Count == 3)
        {
            if (!LockScript.TryRead(a[2], out var script))
            {
                return RefuseScript(c, "SCRIPT");
            }

            ReplyFormatter.WriteBulk(c.Output, c.Server.Scripts.Add(a[2], script));
            return true;
        }

        if (Is(a[1], "EXISTS"u8) && a.Count >= 3)
        {
            ReplyFormatter.WriteArray(c.Output, a.Count - 2);
            for (var i = 2; i < a.Count; i++)
            {
                ReplyFormatter.WriteInteger(c.Output, c.Server.Scripts.TryGet(a[i], out _) ? 1 : 0);
            }

            return true;
        }

        if (Is(a[1], "FLUSH"u8) && (a.Count == 2 || (a.Count == 3 && (Is(a[2], "SYNC"u8) || Is(a[2], "ASYNC"u8)))))
        {
            c.Server.Scripts.Clear();
            ReplyFormatter.WriteOk(c.Output);
            return true;
        }

        var asked = CommandTable.Printable(a[1], 64);
        return Refuse(c, $"ERR unknown subcommand or wrong number of arguments for '{asked}'. Try SCRIPT LOAD, EXISTS, FLUSH.");
    }

    private static bool RefuseScript(RespConversation c, string command)
    {
        c.Server.NoteRefused(c, command, MissingCommands.NoScripts);
        return Refuse(c, "ERR " + MissingCommands.NoScripts);
    }

    private static bool Run(RespConversation c, scoped in Arguments a, LockScript script)
    {
        if (!TryInteger(a[2], out var keys))
        {
            return Refuse(c, NotAnInteger);
        }

        if (keys < 0 || keys > a.Count - 3)
        {
            return Refuse(c, keys < 0 ? "ERR Number of keys can't be negative" : "ERR Number of keys can't be greater than number of args");
        }

        var key = script.Key.Index((int)keys, a.Count);
        var token = script.Token.Index((int)keys, a.Count);
        var ttl = script.Extends ? script.Ttl.Index((int)keys, a.Count) : 0;
        if (key < 0 || token < 0 || ttl < 0)
        {
            return Refuse(c, "ERR the script names a key or argument that the command does not have");
        }

        if (!script.Extends)
        {
            return ConditionalCommands.DeleteIf(c, a[key], Comparison.EqualTo(a[token]));
        }

        return TryInteger(a[ttl], out var time) && time > 0
            && TryExpiry(a[ttl], script.InSeconds, isAbsolute: false, c.Now, out var expiresAt)
            ? ConditionalCommands.Extend(c, a[key], a[token], expiresAt, script.TakesAnew)
            : Refuse(c, $"ERR invalid expire time in '{(script.InSeconds ? "expire" : "pexpire")}' command");
    }
}

/// <summary>
/// The scripts that clients have sent and that are known, by their SHA-1 in hexadecimal. A few: clients send again what is not there.
/// </summary>
internal sealed class ScriptTable
{
    private const int MaxScripts = 256;

    private readonly Lock gate = new();
    private readonly Dictionary<string, LockScript> scripts = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Keeps a script.</summary>
    /// <returns>Its SHA-1.</returns>
    public string Add(ReadOnlySpan<byte> text, LockScript script)
    {
        var hash = HashOf(text);
        lock (gate)
        {
            if (scripts.Count == MaxScripts)
            {
                scripts.Clear();
            }

            scripts[hash] = script;
        }

        return hash;
    }

    /// <summary>Finds a script by its SHA-1.</summary>
    public bool TryGet(ReadOnlySpan<byte> hash, [NotNullWhen(true)] out LockScript? script)
    {
        script = null;
        if (hash.Length != 2 * SHA1.HashSizeInBytes)
        {
            return false;
        }

        lock (gate)
        {
            return scripts.TryGetValue(Encoding.ASCII.GetString(hash), out script);
        }
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        lock (gate)
        {
            scripts.Clear();
        }
    }

    [SuppressMessage("Security", "CA5350", Justification = "SHA-1 is how the protocol names scripts; nothing is protected by it.")]
    private static string HashOf(ReadOnlySpan<byte> text) => Convert.ToHexStringLower(SHA1.HashData(text));
}
