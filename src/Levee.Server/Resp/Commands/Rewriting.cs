using Levee.Memory;
using Levee.Operations;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>How a rewrite's write ended.</summary>
internal readonly record struct Written(Outcome Outcome, ulong Version, string Error);

/// <summary>
/// Commands that read a value, change it and write it back: optimistic, by version, outside the partition; tried again where somebody else wrote in between. Keeps TTL, flags, tags and type.
/// </summary>
internal static class Rewriting
{
    private const int MaxTries = 1000;

    /// <summary>Rewrites a value.</summary>
    /// <param name="c">The conversation.</param>
    /// <param name="key">The key.</param>
    /// <param name="kind">The kind that an entry must have, and that a new one gets.</param>
    /// <param name="change">From the present bytes, empty where there is no entry, to the new ones; the same array: nothing to write; empty: the entry is removed.</param>
    /// <param name="reply">Writes the reply, given the new bytes.</param>
    public static async Task RewriteAsync(RespConversation c, byte[] key, EntryKind kind, Func<byte[], byte[]> change, Action<RespConversation, byte[]> reply)
    {
        for (var tries = 0; tries < MaxTries; tries++)
        {
            using var present = await c.Ask(On(OperationKind.Get, key));
            if (present.Outcome is not (Outcome.Hit or Outcome.Miss))
            {
                ReplyFormatter.WriteError(c.Output, ReplyFormatter.Error(present.Answer));
                return;
            }

            if (present.Outcome == Outcome.Hit && present.Answer.Entry.Kind != kind)
            {
                ReplyFormatter.WriteError(c.Output, ReplyFormatter.Error(new Answer(Outcome.WrongKind)));
                return;
            }

            var before = Bytes(present);
            byte[] after;
            try
            {
                after = change(before);
            }
            catch (CommandException refusal)
            {
                ReplyFormatter.WriteError(c.Output, refusal.Message);
                return;
            }

            if (!ReferenceEquals(before, after))
            {
                var written = await WriteAsync(c, key, kind, after, present);
                if (written.Outcome is Outcome.ConditionFailed or Outcome.Miss)
                {
                    continue;
                }

                if (written.Outcome is not (Outcome.Stored or Outcome.Removed))
                {
                    ReplyFormatter.WriteError(c.Output, written.Error);
                    return;
                }
            }

            reply(c, after);
            return;
        }

        ReplyFormatter.WriteError(c.Output, "TRYAGAIN the key is written so often that this command found no moment between");
    }

    /// <summary>Writes a value, only where the version is as given, or where there is no entry for no version.</summary>
    public static async Task<Written> StoreAsync(RespConversation c, byte[] key, EntryKind kind, byte[] value, ulong? version, bool keepTtl, AnswerCopy? metadata = null)
    {
        LargeValue? large = null;
        if (value.Length > Limits.MaxInlineBytes)
        {
            if (value.Length > c.Cache.LargeValues.MaxValueBytes)
            {
                return new Written(Outcome.TooLarge, 0, ReplyFormatter.Error(new Answer(Outcome.TooLarge, c.Cache.LargeValues.MaxValueBytes)));
            }

            if ((large = c.Cache.LargeValues.TryCreate(value)) is null)
            {
                return new Written(Outcome.OutOfMemory, 0, ReplyFormatter.Error(new Answer(Outcome.OutOfMemory)));
            }
        }

        using var answer = await c.Ask(Store(key, kind, value, large, version, keepTtl, metadata));
        if (answer.Outcome != Outcome.Stored)
        {
            large?.Release();
        }

        return new Written(answer.Outcome, answer.Outcome == Outcome.Stored ? answer.Answer.Entry.Version : 0, ReplyFormatter.Error(answer.Answer));
    }

    /// <summary>Removes an entry only where its version is as given.</summary>
    public static Operation RemoveIf(byte[] key, ulong version)
    {
        var operation = On(OperationKind.Delete, key);
        operation.Condition = Condition.IfVersion;
        operation.Version = version;
        return operation;
    }

    /// <summary>The value of an answer, copied; empty where there is no entry.</summary>
    public static byte[] Bytes(AnswerCopy answer)
    {
        if (answer.Answer.Entry.IsEmpty)
        {
            return [];
        }

        var entry = answer.Answer.Entry;
        if (entry.Large is not { } large)
        {
            return entry.Value.ToArray();
        }

        var bytes = new byte[large.Length];
        large.CopyTo(0, bytes);
        return bytes;
    }

    private static async Task<Written> WriteAsync(RespConversation c, byte[] key, EntryKind kind, byte[] value, AnswerCopy present)
    {
        ulong? version = present.Outcome == Outcome.Hit ? present.Answer.Entry.Version : null;
        if (value.Length > 0 || version is null)
        {
            return await StoreAsync(c, key, kind, value, version, keepTtl: true, present);
        }

        using var removed = await c.Ask(RemoveIf(key, version.Value));
        return new Written(removed.Outcome, 0, ReplyFormatter.Error(removed.Answer));
    }

    private static Operation Store(byte[] key, EntryKind kind, byte[] value, LargeValue? large, ulong? version, bool keepTtl, AnswerCopy? metadata)
    {
        var operation = On(OperationKind.Set, key);
        operation.EntryKind = kind;
        operation.Large = large;
        operation.Value = large is null ? value : default;
        operation.Condition = version is null ? Condition.IfAbsent : Condition.IfVersion;
        operation.Version = version ?? 0;
        operation.KeepTtl = keepTtl;
        if (metadata is { Outcome: Outcome.Hit })
        {
            operation.Flags = metadata.Answer.Entry.Flags;
            operation.ContentType = metadata.Answer.Entry.ContentType;
            operation.Tags = metadata.Answer.Entry.Tags;
        }

        return operation;
    }
}

/// <summary>A command refuses what it found; the message is the error reply.</summary>
internal sealed class CommandException(string message) : Exception(message);
