using Levee.Operations;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>Commands on keys of any kind, and on their TTL.</summary>
internal static class KeyCommands
{
    public static readonly Command[] All =
    [
        new("del", -2, Delete) { Keys = (1, -1, 1), IsWrite = true },
        new("unlink", -2, Delete) { Keys = (1, -1, 1), IsWrite = true },
        new("exists", -2, (RespConversation c, scoped in Arguments a) => Count(c, a, OperationKind.Peek)) { Keys = (1, -1, 1) },
        new("touch", -2, (RespConversation c, scoped in Arguments a) => Count(c, a, OperationKind.Get)) { Keys = (1, -1, 1) },
        new("type", 2, (RespConversation c, scoped in Arguments a) => Peek(c, a[1], ReplyKind.Type)) { Keys = (1, 1, 1) },
        new("ttl", 2, (RespConversation c, scoped in Arguments a) => Peek(c, a[1], ReplyKind.TtlSeconds)) { Keys = (1, 1, 1) },
        new("pttl", 2, (RespConversation c, scoped in Arguments a) => Peek(c, a[1], ReplyKind.TtlMs)) { Keys = (1, 1, 1) },
        new("expiretime", 2, (RespConversation c, scoped in Arguments a) => Peek(c, a[1], ReplyKind.ExpireSeconds)) { Keys = (1, 1, 1) },
        new("pexpiretime", 2, (RespConversation c, scoped in Arguments a) => Peek(c, a[1], ReplyKind.ExpireMs)) { Keys = (1, 1, 1) },
        new("expire", -3, (RespConversation c, scoped in Arguments a) => Expire(c, a, "expire", isSeconds: true, isAbsolute: false)) { Keys = (1, 1, 1), IsWrite = true },
        new("pexpire", -3, (RespConversation c, scoped in Arguments a) => Expire(c, a, "pexpire", isSeconds: false, isAbsolute: false)) { Keys = (1, 1, 1), IsWrite = true },
        new("expireat", -3, (RespConversation c, scoped in Arguments a) => Expire(c, a, "expireat", isSeconds: true, isAbsolute: true)) { Keys = (1, 1, 1), IsWrite = true },
        new("pexpireat", -3, (RespConversation c, scoped in Arguments a) => Expire(c, a, "pexpireat", isSeconds: false, isAbsolute: true)) { Keys = (1, 1, 1), IsWrite = true },
        new("persist", 2, Persist) { Keys = (1, 1, 1), IsWrite = true },
        new("rename", 3, (RespConversation c, scoped in Arguments a) => Rename(c, a, onlyIfAbsent: false)) { Keys = (1, 2, 1), IsWrite = true, IsBarrier = true },
        new("renamenx", 3, (RespConversation c, scoped in Arguments a) => Rename(c, a, onlyIfAbsent: true)) { Keys = (1, 2, 1), IsWrite = true, IsBarrier = true },
        new("object", -2, Object) { Keys = (2, 2, 1) },
        new("memory", -2, Memory) { Keys = (2, 2, 1) },
    ];

    private static bool Delete(RespConversation c, scoped in Arguments a) => Count(c, a, OperationKind.Delete);

    /// <summary>One operation per key; the reply is how many found their key.</summary>
    private static bool Count(RespConversation c, scoped in Arguments a, OperationKind kind)
    {
        if (a.Count == 2)
        {
            c.Submit(On(c, kind, a), ReplyKind.Flag);
            return true;
        }

        if (!c.StartBarrier())
        {
            return false;
        }

        RespConversation.PartSubmitter submit = kind switch
        {
            OperationKind.Delete => static (RespConversation c, scoped in Arguments a, int i) => c.SubmitPart(On(OperationKind.Delete, a[i + 1])),
            OperationKind.Get => static (RespConversation c, scoped in Arguments a, int i) => c.SubmitPart(On(OperationKind.Get, a[i + 1])),
            _ => static (RespConversation c, scoped in Arguments a, int i) => c.SubmitPart(On(OperationKind.Peek, a[i + 1])),
        };
        return c.RunParts(a, a.Count - 1, submit, static (_, output, parts) =>
        {
            if (parts.Error is null)
            {
                ReplyFormatter.WriteInteger(output, parts.Done);
            }
            else
            {
                ReplyFormatter.WriteError(output, parts.Error);
            }
        });
    }

    private static bool Peek(RespConversation c, ReadOnlySpan<byte> key, ReplyKind reply)
    {
        c.Submit(On(OperationKind.Peek, key), reply);
        return true;
    }

    private static bool Expire(RespConversation c, scoped in Arguments a, string name, bool isSeconds, bool isAbsolute)
    {
        var operation = On(c, OperationKind.Expire, a);
        for (var i = 3; i < a.Count; i++)
        {
            var flag = Is(a[i], "NX"u8) ? ExpireCondition.IfNone
                : Is(a[i], "XX"u8) ? ExpireCondition.IfSome
                : Is(a[i], "GT"u8) ? ExpireCondition.IfLater
                : Is(a[i], "LT"u8) ? ExpireCondition.IfEarlier
                : ExpireCondition.None;
            if (flag == ExpireCondition.None)
            {
                return Refuse(c, $"ERR Unsupported option {CommandTable.Printable(a[i], 64)}");
            }

            operation.ExpireCondition |= flag;
        }

        var condition = operation.ExpireCondition;
        if (condition.HasFlag(ExpireCondition.IfNone) && condition != ExpireCondition.IfNone)
        {
            return Refuse(c, "ERR NX and XX, GT or LT options at the same time are not compatible");
        }

        if (condition.HasFlag(ExpireCondition.IfLater | ExpireCondition.IfEarlier))
        {
            return Refuse(c, "ERR GT and LT options at the same time are not compatible");
        }

        if (!TryInteger(a[2], out _))
        {
            return Refuse(c, NotAnInteger);
        }

        if (!TryExpiry(a[2], isSeconds, isAbsolute, c.Now, out var expiresAt))
        {
            return Refuse(c, $"ERR invalid expire time in '{name}' command");
        }

        operation.ExpiresAt = expiresAt;
        c.Submit(operation, ReplyKind.Flag);
        return true;
    }

    private static bool Persist(RespConversation c, scoped in Arguments a)
    {
        var operation = On(c, OperationKind.Expire, a);
        operation.ExpiresAt = Limits.Never;
        operation.ExpireCondition = ExpireCondition.IfSome;
        c.Submit(operation, ReplyKind.Flag);
        return true;
    }

    private static bool Rename(RespConversation c, scoped in Arguments a, bool onlyIfAbsent)
    {
        c.RunSteps(RenameAsync(c, a[1].ToArray(), a[2].ToArray(), onlyIfAbsent));
        return true;
    }

    /// <summary>Writes the entry under its new key, then removes the old one if it is still the same. Not atomic: another client may see both for a moment.</summary>
    private static async Task RenameAsync(RespConversation c, byte[] from, byte[] to, bool onlyIfAbsent)
    {
        using var source = await c.Ask(On(OperationKind.Get, from));
        if (source.Outcome != Outcome.Hit)
        {
            ReplyFormatter.WriteError(c.Output, source.Outcome == Outcome.Miss ? "ERR no such key" : ReplyFormatter.Error(source.Answer));
            return;
        }

        if (from.AsSpan().SequenceEqual(to))
        {
            Reply(c, onlyIfAbsent, isDone: !onlyIfAbsent);
            return;
        }

        var version = source.Answer.Entry.Version;
        source.Answer.Entry.Large?.AddReference();
        using var stored = await c.Ask(Copy(source, to, onlyIfAbsent));
        if (stored.Outcome != Outcome.Stored)
        {
            source.Answer.Entry.Large?.Release();
            if (stored.Outcome == Outcome.ConditionFailed)
            {
                Reply(c, onlyIfAbsent, isDone: false);
            }
            else
            {
                ReplyFormatter.WriteError(c.Output, ReplyFormatter.Error(stored.Answer));
            }

            return;
        }

        using var removed = await c.Ask(Rewriting.RemoveIf(from, version));
        if (removed.Outcome is Outcome.Removed or Outcome.Miss or Outcome.ConditionFailed)
        {
            Reply(c, onlyIfAbsent, isDone: true);
        }
        else
        {
            var error = ReplyFormatter.Error(removed.Answer);
            ReplyFormatter.WriteError(c.Output, $"{error}; the new key is written, and the old one may be there too");
        }
    }

    private static Operation Copy(AnswerCopy source, byte[] to, bool onlyIfAbsent)
    {
        var entry = source.Answer.Entry;
        var operation = On(OperationKind.Set, to);
        operation.Value = entry.Value;
        operation.Large = entry.Large;
        operation.EntryKind = entry.Kind;
        operation.Flags = entry.Flags;
        operation.ContentType = entry.ContentType;
        operation.Tags = entry.Tags;
        operation.ExpiresAt = entry.ExpiryCap;
        operation.SlidingMs = entry.SlidingMs;
        operation.Condition = onlyIfAbsent ? Condition.IfAbsent : Condition.None;
        return operation;
    }

    private static void Reply(RespConversation c, bool asNumber, bool isDone)
    {
        if (asNumber)
        {
            ReplyFormatter.WriteInteger(c.Output, isDone ? 1 : 0);
        }
        else
        {
            ReplyFormatter.WriteOk(c.Output);
        }
    }

    private static bool Object(RespConversation c, scoped in Arguments a)
    {
        if (a.Count == 3 && (Is(a[1], "IDLETIME"u8) || Is(a[1], "FREQ"u8)))
        {
            return Refuse(c, "ERR the policy keeps order, not times: neither IDLETIME nor FREQ is known");
        }

        var reply = Is(a[1], "ENCODING"u8) ? ReplyKind.Encoding
            : Is(a[1], "REFCOUNT"u8) ? ReplyKind.References
            : Is(a[1], "VERSION"u8) ? ReplyKind.Version
            : default(ReplyKind?);
        if (a.Count != 3 || reply is null)
        {
            return Refuse(c, "ERR OBJECT takes ENCODING key, REFCOUNT key or VERSION key; IDLETIME and FREQ are not kept");
        }

        c.Submit(On(OperationKind.Peek, a[2]), reply.Value);
        return true;
    }

    private static bool Memory(RespConversation c, scoped in Arguments a)
    {
        if (a.Count < 3 || !Is(a[1], "USAGE"u8))
        {
            return Refuse(c, "ERR MEMORY takes USAGE key; INFO memory tells the rest");
        }

        c.Submit(On(OperationKind.Peek, a[2]), ReplyKind.Size);
        return true;
    }
}
