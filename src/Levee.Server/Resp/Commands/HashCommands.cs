using System.Buffers;
using System.Buffers.Text;
using Levee.Operations;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>Commands on hashes (<see cref="HashValue"/>): a hash is one entry, read and rewritten as a whole.</summary>
internal static class HashCommands
{
    /// <summary>About what an argument takes that is kept as an array, beside its bytes.</summary>
    private const int ArrayBytes = 32;

    public static readonly Command[] All =
    [
        new("hset", -4, (RespConversation c, scoped in Arguments a) => Set(c, a, "hset", repliesOk: false)) { Keys = (1, 1, 1), IsWrite = true, IsBarrier = true },
        new("hmset", -4, (RespConversation c, scoped in Arguments a) => Set(c, a, "hmset", repliesOk: true)) { Keys = (1, 1, 1), IsWrite = true, IsBarrier = true },
        new("hsetnx", 4, SetNx) { Keys = (1, 1, 1), IsWrite = true, IsBarrier = true },
        new("hget", 3, (RespConversation c, scoped in Arguments a) => Read(c, a, Get)) { Keys = (1, 1, 1), IsBarrier = true },
        new("hmget", -3, (RespConversation c, scoped in Arguments a) => Read(c, a, GetMany)) { Keys = (1, 1, 1), IsBarrier = true },
        new("hgetall", 2, (RespConversation c, scoped in Arguments a) => Read(c, a, GetAll)) { Keys = (1, 1, 1), IsBarrier = true },
        new("hkeys", 2, (RespConversation c, scoped in Arguments a) => Read(c, a, static (c, a, hash) => WriteAllAsync(c, hash, fields: true, values: false))) { Keys = (1, 1, 1), IsBarrier = true },
        new("hvals", 2, (RespConversation c, scoped in Arguments a) => Read(c, a, static (c, a, hash) => WriteAllAsync(c, hash, fields: false, values: true))) { Keys = (1, 1, 1), IsBarrier = true },
        new("hlen", 2, (RespConversation c, scoped in Arguments a) => Read(c, a, static (c, a, hash) => Number(c, hash.Count()))) { Keys = (1, 1, 1), IsBarrier = true },
        new("hstrlen", 3, (RespConversation c, scoped in Arguments a) => Read(c, a, static (c, a, hash) => Number(c, hash.TryFind(a[2], out var value) ? value.Length : 0))) { Keys = (1, 1, 1), IsBarrier = true },
        new("hexists", 3, (RespConversation c, scoped in Arguments a) => Read(c, a, static (c, a, hash) => Number(c, hash.TryFind(a[2], out _) ? 1 : 0))) { Keys = (1, 1, 1), IsBarrier = true },
        new("hdel", -3, Delete) { Keys = (1, 1, 1), IsWrite = true, IsBarrier = true },
        new("hincrby", 4, IncrBy) { Keys = (1, 1, 1), IsWrite = true, IsBarrier = true },
        new("hincrbyfloat", 4, IncrByFloat) { Keys = (1, 1, 1), IsWrite = true, IsBarrier = true },
        new("hscan", -3, Scan) { Keys = (1, 1, 1), IsBarrier = true },
    ];

    /// <summary>Writes a reply made of a hash, long ones as the client reads.</summary>
    private delegate ValueTask ReplyWriter(RespConversation conversation, byte[][] arguments, HashReader hash);

    private static bool Read(RespConversation c, scoped in Arguments a, ReplyWriter read)
    {
        c.RunSteps(ReadAsync(c, a.ToArrays(), read));
        return true;
    }

    private static async Task ReadAsync(RespConversation c, byte[][] a, ReplyWriter read)
    {
        using var present = await c.Ask(On(OperationKind.Get, a[1]));
        if (present.Outcome is not (Outcome.Hit or Outcome.Miss))
        {
            ReplyFormatter.WriteError(c.Output, ReplyFormatter.Error(present.Answer));
        }
        else if (present.Outcome == Outcome.Hit && present.Answer.Entry.Kind != EntryKind.Hash)
        {
            ReplyFormatter.WriteError(c.Output, ReplyFormatter.Error(new Answer(Outcome.WrongKind)));
        }
        else
        {
            var hash = new HashReader(present);
            c.Source = hash.Large;
            c.StepBytes = a.Sum(static argument => (long)argument.Length + ArrayBytes);
            await read(c, a, hash);
        }
    }

    private static ValueTask Number(RespConversation c, int number)
    {
        ReplyFormatter.WriteInteger(c.Output, number);
        return default;
    }

    private static ValueTask Get(RespConversation c, byte[][] a, HashReader hash)
    {
        WriteField(c, hash, hash.TryFind(a[2], out var value) ? value : HashReader.Part.None);
        return default;
    }

    private static async ValueTask GetMany(RespConversation c, byte[][] a, HashReader hash)
    {
        var places = hash.Find(a.AsSpan(2));
        ReplyFormatter.WriteArray(c.Output, a.Length - 2);
        for (var i = 2; i < a.Length && await c.Drained(); i++)
        {
            WriteField(c, hash, places[a[i]]);
        }
    }

    private static ValueTask GetAll(RespConversation c, byte[][] a, HashReader hash) => WriteAllAsync(c, hash, fields: true, values: true);

    private static async ValueTask WriteAllAsync(RespConversation c, HashReader hash, bool fields, bool values)
    {
        if (fields && values)
        {
            ReplyFormatter.WriteMap(c.Output, hash.Count(), c.Version);
        }
        else
        {
            ReplyFormatter.WriteArray(c.Output, hash.Count());
        }

        for (var position = 0; hash.TryRead(ref position, out var field, out var value) && await c.Drained();)
        {
            if (fields)
            {
                hash.WriteBulk(c.Output, field);
            }

            if (values)
            {
                hash.WriteBulk(c.Output, value);
            }
        }
    }

    private static void WriteField(RespConversation c, HashReader hash, HashReader.Part value)
    {
        if (value.Exists)
        {
            hash.WriteBulk(c.Output, value);
        }
        else
        {
            ReplyFormatter.WriteNull(c.Output, c.Version);
        }
    }

    private static bool Set(RespConversation c, scoped in Arguments a, string name, bool repliesOk)
    {
        if (a.Count % 2 != 0)
        {
            return Refuse(c, $"ERR wrong number of arguments for '{name}' command");
        }

        var arguments = a.ToArrays();
        var added = 0;
        c.RunSteps(Rewriting.RewriteAsync(
            c,
            arguments[1],
            EntryKind.Hash,
            hash =>
            {
                if (arguments.Length > 4)
                {
                    return Bounded(HashValue.WithAll(hash, arguments.AsSpan(2), out added));
                }

                var changed = HashValue.With(hash, arguments[2], arguments[3], out var isNew);
                added = isNew ? 1 : 0;
                return Bounded(changed);
            },
            (c, _) =>
            {
                if (repliesOk)
                {
                    ReplyFormatter.WriteOk(c.Output);
                }
                else
                {
                    ReplyFormatter.WriteInteger(c.Output, added);
                }
            }));
        return true;
    }

    private static byte[] Bounded(byte[] hash) =>
        hash.Length <= HashValue.MaxBytes && HashValue.Count(hash) <= HashValue.MaxFields
            ? hash
            : throw new CommandException($"ERR a hash is one cache entry, rewritten as a whole: at most {HashValue.MaxFields} fields and {HashValue.MaxBytes} bytes; use keys of their own for more");

    private static bool SetNx(RespConversation c, scoped in Arguments a)
    {
        var arguments = a.ToArrays();
        var isNew = false;
        c.RunSteps(Rewriting.RewriteAsync(
            c,
            arguments[1],
            EntryKind.Hash,
            hash =>
            {
                isNew = !HashValue.TryFind(hash, arguments[2], out _);
                return isNew ? Bounded(HashValue.With(hash, arguments[2], arguments[3], out _)) : hash;
            },
            (c, _) => ReplyFormatter.WriteInteger(c.Output, isNew ? 1 : 0)));
        return true;
    }

    private static bool Delete(RespConversation c, scoped in Arguments a)
    {
        var arguments = a.ToArrays();
        var removed = 0;
        c.RunSteps(Rewriting.RewriteAsync(
            c,
            arguments[1],
            EntryKind.Hash,
            hash =>
            {
                return HashValue.Without(hash, arguments.AsSpan(2), out removed);
            },
            (c, _) => ReplyFormatter.WriteInteger(c.Output, removed)));
        return true;
    }

    private static bool IncrBy(RespConversation c, scoped in Arguments a)
    {
        if (!TryInteger(a[3], out var addend))
        {
            return Refuse(c, NotAnInteger);
        }

        return Add(c, a, (present, text) =>
        {
            var outcome = Numbers.Add(present, addend, text, out _, out var length);
            return (outcome, length);
        }, static (c, text) => c.Output.Write([(byte)':', .. text, (byte)'\r', (byte)'\n']), "ERR hash value is not an integer");
    }

    private static bool IncrByFloat(RespConversation c, scoped in Arguments a)
    {
        if (!TryFloat(a[3], out var addend))
        {
            return Refuse(c, "ERR value is not a valid float");
        }

        return Add(c, a, (present, text) =>
        {
            var outcome = Numbers.Add(present, addend, text, out _, out var length);
            return (outcome, length);
        }, static (c, text) => ReplyFormatter.WriteBulk(c.Output, text), "ERR hash value is not a float");
    }

    private static bool Add(RespConversation c, scoped in Arguments a, Func<byte[], byte[], (Outcome Outcome, int Length)> add, Action<RespConversation, byte[]> reply, string notANumber)
    {
        var arguments = a.ToArrays();
        var sum = Array.Empty<byte>();
        c.RunSteps(Rewriting.RewriteAsync(
            c,
            arguments[1],
            EntryKind.Hash,
            hash =>
            {
                var present = HashValue.TryFind(hash, arguments[2], out var value) ? value.ToArray() : "0"u8.ToArray();
                var text = new byte[Numbers.MaxTextBytes];
                var (outcome, length) = add(present, text);
                if (outcome != Outcome.Stored)
                {
                    throw new CommandException(outcome == Outcome.NotANumber ? notANumber : "ERR increment or decrement would overflow");
                }

                sum = text[..length];
                return Bounded(HashValue.With(hash, arguments[2], sum, out _));
            },
            (c, _) => reply(c, sum)));
        return true;
    }

    /// <summary>Gives the whole hash in one step; a hash is small.</summary>
    private static bool Scan(RespConversation c, scoped in Arguments a)
    {
        var pattern = default(GlobPattern?);
        var withValues = true;
        for (var i = 3; i < a.Count; i++)
        {
            if (Is(a[i], "MATCH"u8) && i + 1 < a.Count)
            {
                if (!GlobPattern.TryCreate(a[++i], out pattern))
                {
                    return Refuse(c, GlobPattern.TooLong);
                }
            }
            else if (Is(a[i], "COUNT"u8) && i + 1 < a.Count && TryInteger(a[i + 1], out var count) && count > 0)
            {
                i++;
            }
            else if (Is(a[i], "NOVALUES"u8))
            {
                withValues = false;
            }
            else
            {
                return Refuse(c, SyntaxError);
            }
        }

        if (!Utf8Parser.TryParse(a[2], out ulong _, out var consumed) || consumed != a[2].Length)
        {
            return Refuse(c, "ERR invalid cursor");
        }

        return Read(c, a, (c, _, hash) => ScanAsync(c, hash, pattern, withValues));
    }

    private static async ValueTask ScanAsync(RespConversation c, HashReader hash, GlobPattern? pattern, bool withValues)
    {
        var parts = new List<HashReader.Part>();
        for (var position = 0; hash.TryRead(ref position, out var field, out var value);)
        {
            if (pattern is null || Matches(pattern, hash, field))
            {
                parts.Add(field);
                if (withValues)
                {
                    parts.Add(value);
                }
            }
        }

        ReplyFormatter.WriteArray(c.Output, 2);
        ReplyFormatter.WriteBulk(c.Output, "0"u8);
        ReplyFormatter.WriteArray(c.Output, parts.Count);
        for (var i = 0; i < parts.Count && await c.Drained(); i++)
        {
            hash.WriteBulk(c.Output, parts[i]);
        }
    }

    private static bool Matches(GlobPattern pattern, HashReader hash, HashReader.Part field)
    {
        var bytes = ArrayPool<byte>.Shared.Rent(Math.Max(1, field.Length));
        hash.CopyTo(field, bytes);
        var matches = pattern.Matches(bytes.AsSpan(0, field.Length));
        ArrayPool<byte>.Shared.Return(bytes);
        return matches;
    }
}
