using Levee.Operations;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>Commands on strings of bytes.</summary>
internal static class StringCommands
{
    private const int KeysPerTurn = 1023; // Odd, as the indexes of keys are.

    public static readonly Command[] All =
    [
        new("get", 2, Get) { Keys = (1, 1, 1) },
        new("set", -3, Set) { Keys = (1, 1, 1), IsWrite = true },
        new("setnx", 3, SetNx) { Keys = (1, 1, 1), IsWrite = true },
        new("setex", 4, (RespConversation c, scoped in Arguments a) => SetFor(c, a, "setex", isSeconds: true)) { Keys = (1, 1, 1), IsWrite = true },
        new("psetex", 4, (RespConversation c, scoped in Arguments a) => SetFor(c, a, "psetex", isSeconds: false)) { Keys = (1, 1, 1), IsWrite = true },
        new("getset", 3, GetSet) { Keys = (1, 1, 1), IsWrite = true },
        new("getdel", 2, GetDel) { Keys = (1, 1, 1), IsWrite = true },
        new("getex", -2, GetEx) { Keys = (1, 1, 1), IsWrite = true, IsBarrier = true },
        new("mget", -2, MGet) { Keys = (1, -1, 1), IsBarrier = true },
        new("mset", -3, MSet) { Keys = (1, -1, 2), IsWrite = true, IsBarrier = true },
        new("msetnx", -3, MSetNx) { Keys = (1, -1, 2), IsWrite = true, IsBarrier = true },
        new("strlen", 2, StrLen) { Keys = (1, 1, 1) },
        new("append", 3, Append) { Keys = (1, 1, 1), IsWrite = true, IsBarrier = true },
        new("getrange", 4, GetRange) { Keys = (1, 1, 1) },
        new("substr", 4, GetRange) { Keys = (1, 1, 1) },
        new("setrange", 4, SetRange) { Keys = (1, 1, 1), IsWrite = true, IsBarrier = true },
    ];

    private static bool Get(RespConversation c, scoped in Arguments a)
    {
        c.Submit(On(c, OperationKind.Get, a), ReplyKind.Value);
        return true;
    }

    private static bool Set(RespConversation c, scoped in Arguments a)
    {
        var operation = On(c, OperationKind.Set, a);
        if (a.Count > 3)
        {
            if (!SetOptions.TryRead(c, a, ref operation, out var comparison, out var error))
            {
                return Refuse(c, error);
            }

            if (comparison is not null)
            {
                return ConditionalCommands.Set(c, a, operation, comparison);
            }
        }

        Take(a, 2, ref operation);
        c.Submit(operation, operation.ReturnsPrevious ? ReplyKind.Previous : ReplyKind.Ok);
        return true;
    }

    private static bool SetNx(RespConversation c, scoped in Arguments a)
    {
        var operation = On(c, OperationKind.Set, a);
        operation.Condition = Condition.IfAbsent;
        Take(a, 2, ref operation);
        c.Submit(operation, ReplyKind.Flag);
        return true;
    }

    private static bool SetFor(RespConversation c, scoped in Arguments a, string name, bool isSeconds)
    {
        var operation = On(c, OperationKind.Set, a);
        if (!TryInteger(a[2], out var time))
        {
            return Refuse(c, NotAnInteger);
        }

        if (time <= 0 || !TryExpiry(a[2], isSeconds, isAbsolute: false, c.Now, out var expiresAt))
        {
            return Refuse(c, $"ERR invalid expire time in '{name}' command");
        }

        operation.ExpiresAt = expiresAt;
        Take(a, 3, ref operation);
        c.Submit(operation, ReplyKind.Ok);
        return true;
    }

    private static bool GetSet(RespConversation c, scoped in Arguments a)
    {
        var operation = On(c, OperationKind.Set, a);
        operation.ReturnsPrevious = true;
        Take(a, 2, ref operation);
        c.Submit(operation, ReplyKind.Previous);
        return true;
    }

    private static bool GetDel(RespConversation c, scoped in Arguments a)
    {
        var operation = On(c, OperationKind.Delete, a);
        operation.EntryKind = EntryKind.Bytes;
        operation.RequiresKind = true;
        c.Submit(operation, ReplyKind.Removed);
        return true;
    }

    private static bool GetEx(RespConversation c, scoped in Arguments a)
    {
        var expire = On(c, OperationKind.Expire, a);
        if (a.Count == 2)
        {
            c.Submit(On(c, OperationKind.Get, a), ReplyKind.Value);
            return true;
        }

        if (a.Count == 3 && Is(a[2], "PERSIST"u8))
        {
            expire.ExpiresAt = Limits.Never;
        }
        else if (a.Count != 4 || !SetOptions.TryReadExpiry(a[2], a[3], c.Now, "getex", out var expiresAt, out var error))
        {
            return Refuse(c, a.Count == 4 ? SetOptions.ExpiryError(a[2], a[3], "getex") : SyntaxError);
        }
        else
        {
            expire.ExpiresAt = expiresAt;
        }

        c.RunSteps(GetExAsync(c, a.ToArrays(), expire.ExpiresAt));
        return true;
    }

    private static async Task GetExAsync(RespConversation c, byte[][] a, long expiresAt)
    {
        using var found = await c.Ask(On(OperationKind.Get, a[1]));
        if (found.Outcome == Outcome.Hit && found.Answer.Entry.Kind == EntryKind.Bytes)
        {
            using var expired = await c.Ask(Expire(a[1], expiresAt));
            if (expired.Outcome is not (Outcome.Stored or Outcome.Miss))
            {
                ReplyFormatter.WriteError(c.Output, ReplyFormatter.Error(expired.Answer));
                return;
            }
        }

        ReplyFormatter.Write(c.Output, ReplyKind.Value, found.Answer, c.Version, c.Now, default);

        static Operation Expire(byte[] key, long at)
        {
            var operation = On(OperationKind.Expire, key);
            operation.ExpiresAt = at;
            return operation;
        }
    }

    private static bool MGet(RespConversation c, scoped in Arguments a)
    {
        if (c.PartsDone == 0)
        {
            ReplyFormatter.WriteArray(c.Output, a.Count - 1);
        }

        return c.RunParts(a, a.Count - 1, static (RespConversation c, scoped in Arguments a, int i) => c.Submit(On(OperationKind.Get, a[i + 1]), ReplyKind.ValueOrNull), null);
    }

    private static bool MSet(RespConversation c, scoped in Arguments a)
    {
        if (a.Count % 2 == 0)
        {
            return Refuse(c, "ERR wrong number of arguments for 'mset' command");
        }

        return c.RunParts(a, a.Count / 2, SubmitPair, static (_, output, parts) => WriteOkOrError(output, parts));

        static void SubmitPair(RespConversation c, scoped in Arguments a, int i)
        {
            var operation = On(OperationKind.Set, a[(2 * i) + 1]);
            Take(a, (2 * i) + 2, ref operation);
            c.SubmitPart(operation);
        }
    }

    private static void WriteOkOrError(ReplyBuffer output, RespConversation.Gather parts)
    {
        if (parts.Error is null)
        {
            ReplyFormatter.WriteOk(output);
        }
        else
        {
            ReplyFormatter.WriteError(output, parts.Error);
        }
    }

    private static bool MSetNx(RespConversation c, scoped in Arguments a)
    {
        if (a.Count % 2 == 0)
        {
            return Refuse(c, "ERR wrong number of arguments for 'msetnx' command");
        }

        c.RunSteps(MSetNxAsync(c, a.ToArrays()));
        return true;
    }

    /// <summary>
    /// Sets what is absent, and takes back what it set where one key turns out to be present. Not atomic: another client may see some of the keys for a moment.
    /// </summary>
    private static async Task MSetNxAsync(RespConversation c, byte[][] a)
    {
        var versions = new Dictionary<byte[], ulong>(ByteComparer.Instance);
        string? error = null;
        var isPresent = false;
        for (var i = 1; i < a.Length && error is null && !isPresent; i += 2)
        {
            if (i % KeysPerTurn == 0)
            {
                await c.NextTurn();
            }

            var key = a[i];
            var written = await Rewriting.StoreAsync(c, key, EntryKind.Bytes, a[i + 1], versions.TryGetValue(key, out var version) ? version : null, keepTtl: false);
            isPresent = written.Outcome == Outcome.ConditionFailed;
            if (written.Outcome == Outcome.Stored)
            {
                versions[key] = written.Version;
            }
            else if (!isPresent)
            {
                error = written.Error;
            }
        }

        if (error is null && !isPresent)
        {
            ReplyFormatter.WriteInteger(c.Output, 1);
            return;
        }

        foreach (var (key, version) in versions)
        {
            using var removed = await c.Ask(Rewriting.RemoveIf(key, version));
            if (removed.Outcome is not (Outcome.Removed or Outcome.Miss or Outcome.ConditionFailed))
            {
                error = $"{ReplyFormatter.Error(removed.Answer)}; it was set by this MSETNX and could not be taken back";
            }
        }

        if (error is null)
        {
            ReplyFormatter.WriteInteger(c.Output, 0);
        }
        else
        {
            ReplyFormatter.WriteError(c.Output, error);
        }
    }

    private static bool StrLen(RespConversation c, scoped in Arguments a)
    {
        c.Submit(On(c, OperationKind.Get, a), ReplyKind.Length);
        return true;
    }

    private static bool Append(RespConversation c, scoped in Arguments a)
    {
        c.RunSteps(AppendAsync(c, a.ToArrays()));
        return true;
    }

    private static async Task AppendAsync(RespConversation c, byte[][] a)
    {
        if (a[2].Length <= Limits.MaxInlineBytes)
        {
            using var appended = await c.Ask(AppendInline(a[1], a[2]));
            if (appended.Outcome != Outcome.TooLarge)
            {
                ReplyFormatter.Write(c.Output, ReplyKind.Number, appended.Answer, c.Version, c.Now, default);
                return;
            }
        }

        await Rewriting.RewriteAsync(c, a[1], EntryKind.Bytes, value => [.. value, .. a[2]], static (c, value) => ReplyFormatter.WriteInteger(c.Output, value.Length));

        static Operation AppendInline(byte[] key, byte[] value)
        {
            var operation = On(OperationKind.Append, key);
            operation.Value = value;
            return operation;
        }
    }

    private static bool GetRange(RespConversation c, scoped in Arguments a)
    {
        if (!TryInteger(a[2], out var begin) || !TryInteger(a[3], out var end))
        {
            return Refuse(c, NotAnInteger);
        }

        c.Submit(On(c, OperationKind.Get, a), ReplyKind.Range, (begin, end));
        return true;
    }

    private static bool SetRange(RespConversation c, scoped in Arguments a)
    {
        if (!TryInteger(a[2], out var offset))
        {
            return Refuse(c, NotAnInteger);
        }

        if (offset < 0)
        {
            return Refuse(c, "ERR offset is out of range");
        }

        var patch = a[3].ToArray();
        if (patch.Length == 0)
        {
            c.Submit(On(c, OperationKind.Get, a), ReplyKind.Length);
            return true;
        }

        if (offset > c.Cache.LargeValues.MaxValueBytes - patch.Length)
        {
            return Refuse(c, ReplyFormatter.Error(new Answer(Outcome.TooLarge, c.Cache.LargeValues.MaxValueBytes)));
        }

        c.RunSteps(Rewriting.RewriteAsync(
            c,
            a[1].ToArray(),
            EntryKind.Bytes,
            value =>
            {
                var patched = new byte[Math.Max(value.Length, offset + patch.Length)];
                value.CopyTo(patched, 0);
                patch.CopyTo(patched, offset);
                return patched;
            },
            static (c, value) => ReplyFormatter.WriteInteger(c.Output, value.Length)));
        return true;
    }

    private static void Take(scoped in Arguments a, int index, ref Operation operation)
    {
        operation.Large = a.TakeLarge(index);
        if (operation.Large is null)
        {
            operation.Value = a[index];
        }
    }
}
