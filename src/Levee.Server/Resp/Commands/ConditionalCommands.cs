using Levee.Memory;
using Levee.Operations;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>
/// Commands that act only where the present value is, or is not, a given one: what releases and extends locks.
/// <para>
/// The value is compared outside the partition, and the command acts only on the version that was compared, again where somebody wrote in
/// between. So they are atomic wherever the entry lies, and no partition is held while many bytes are compared or hashed.
/// </para>
/// </summary>
internal static class ConditionalCommands
{
    public static readonly Command[] All =
    [
        new("delex", -2, DelEx) { Keys = (1, 1, 1), IsWrite = true },
        new("delifeq", 3, DelIfEq) { Keys = (1, 1, 1), IsWrite = true },
        new("digest", 2, Digest) { Keys = (1, 1, 1), IsBarrier = true },
    ];

    private const int MaxTries = 1000;

    /// <summary>Acts under a condition of versions.</summary>
    /// <param name="present">The entry that was compared; its outcome is Miss where there is none.</param>
    /// <returns>How it ended; ConditionFailed or Miss: it is not as it was compared.</returns>
    private delegate ValueTask<AnswerCopy> Act(AnswerCopy present);

    /// <summary>SET with IFEQ, IFNE, IFDEQ or IFDNE.</summary>
    /// <param name="c">The conversation.</param>
    /// <param name="a">The command.</param>
    /// <param name="operation">Its other options.</param>
    /// <param name="comparison">The condition.</param>
    public static bool Set(RespConversation c, scoped in Arguments a, scoped in Operation operation, Comparison comparison)
    {
        if (!c.StartBarrier())
        {
            return false;
        }

        var large = a.TakeLarge(2);
        var set = new Write(a[1].ToArray(), large is null ? a[2].ToArray() : [], large)
        {
            Tags = operation.Tags.ToArray(),
            ExpiresAt = operation.ExpiresAt,
            SlidingMs = operation.SlidingMs,
            KeepTtl = operation.KeepTtl,
            ReturnsPrevious = operation.ReturnsPrevious,
        };
        c.RunSteps(SetAsync(c, set, comparison));
        return true;
    }

    private static async Task SetAsync(RespConversation c, Write set, Comparison comparison)
    {
        var isStored = false;
        try
        {
            isStored = await RunAsync(
                c,
                set.Key,
                comparison,
                present => c.Ask(set.On(present)),
                (present, isDone) =>
                {
                    if (set.ReturnsPrevious)
                    {
                        ReplyFormatter.Write(c.Output, ReplyKind.Value, present.Answer, c.Version, c.Now, default);
                    }
                    else if (isDone)
                    {
                        ReplyFormatter.WriteOk(c.Output);
                    }
                    else
                    {
                        ReplyFormatter.WriteNull(c.Output, c.Version);
                    }
                });
        }
        finally
        {
            if (!isStored)
            {
                set.Large?.Release();
            }
        }
    }

    /// <summary>
    /// Gives a lock that holds a token a new TTL, by writing the token again: only a write is bound to the version that was compared.
    /// Replies 1, or 0 where another or nobody holds it.
    /// </summary>
    /// <param name="c">The conversation.</param>
    /// <param name="name">The key.</param>
    /// <param name="token">The token.</param>
    /// <param name="expiresAt">When the lock is to expire.</param>
    /// <param name="takesAnew">Whether a lock that is gone is taken; then the reply is -1 where another holds it.</param>
    public static bool Extend(RespConversation c, ReadOnlySpan<byte> name, ReadOnlySpan<byte> token, long expiresAt, bool takesAnew)
    {
        if (!c.StartBarrier())
        {
            return false;
        }

        var write = new Write(name.ToArray(), token.ToArray(), null) { ExpiresAt = expiresAt };
        c.RunSteps(RunAsync(
            c,
            write.Key,
            takesAnew ? Comparison.EqualToOrAbsent(token) : Comparison.EqualTo(token),
            present => c.Ask(write.On(present)),
            (_, isDone) => ReplyFormatter.WriteInteger(c.Output, isDone ? 1 : takesAnew ? -1 : 0)));
        return true;
    }

    private static bool DelEx(RespConversation c, scoped in Arguments a)
    {
        switch (a.Count)
        {
            case 2:
                c.Submit(On(c, OperationKind.Delete, a), ReplyKind.Flag);
                return true;
            case 4 when Comparison.IsOption(a[2]):
                return Comparison.TryRead(a[2], a[3], out var comparison, out var error) ? DeleteIf(c, a[1], comparison) : Refuse(c, error);
            default:
                return Refuse(c, "ERR DELEX takes a key, then nothing or one of IFEQ value, IFNE value, IFDEQ digest, IFDNE digest");
        }
    }

    private static bool DelIfEq(RespConversation c, scoped in Arguments a) => DeleteIf(c, a[1], Comparison.EqualTo(a[2]));

    /// <summary>Removes an entry under a condition; replies 1 or 0.</summary>
    public static bool DeleteIf(RespConversation c, ReadOnlySpan<byte> name, Comparison comparison)
    {
        if (!c.StartBarrier())
        {
            return false;
        }

        var key = name.ToArray();
        c.RunSteps(RunAsync(
            c,
            key,
            comparison,
            present => present.Outcome == Outcome.Hit
                ? c.Ask(Rewriting.RemoveIf(key, present.Answer.Entry.Version))
                : ConfirmAbsentAsync(c, key),
            (_, isDone) => ReplyFormatter.WriteInteger(c.Output, isDone ? 1 : 0)));
        return true;
    }

    /// <summary>Compares, acts and replies.</summary>
    /// <returns>Whether it has acted.</returns>
    private static async Task<bool> RunAsync(RespConversation c, byte[] key, Comparison comparison, Act act, Action<AnswerCopy, bool> reply)
    {
        for (var tries = 0; tries < MaxTries; tries++)
        {
            using var present = await c.Ask(On(OperationKind.Peek, key));
            if (present.Outcome is not (Outcome.Hit or Outcome.Miss))
            {
                ReplyFormatter.WriteError(c.Output, ReplyFormatter.Error(present.Answer));
                return false;
            }

            if (present.Outcome == Outcome.Hit && present.Answer.Entry.Kind != EntryKind.Bytes)
            {
                ReplyFormatter.WriteError(c.Output, ReplyFormatter.Error(new Answer(Outcome.WrongKind)));
                return false;
            }

            var isHit = present.Outcome == Outcome.Hit;
            var holds = isHit ? comparison.Holds(present.Answer.Entry) : comparison.HoldsWithoutEntry;
            if (isHit && !holds)
            {
                reply(present, false);
                return false;
            }

            using var done = await (holds ? act(present) : ConfirmAbsentAsync(c, key));
            switch (done.Outcome)
            {
                case Outcome.Stored or Outcome.Removed:
                    reply(present, true);
                    return done.Outcome == Outcome.Stored;
                case Outcome.Miss when !isHit:
                    reply(present, false);
                    return false;
                case Outcome.Miss or Outcome.ConditionFailed:
                    continue;
                default:
                    ReplyFormatter.WriteError(c.Output, ReplyFormatter.Error(done.Answer));
                    return false;
            }
        }

        ReplyFormatter.WriteError(c.Output, "TRYAGAIN the key is written so often that this command found no moment between");
        return false;
    }

    /// <summary>
    /// Whether a key that a read has missed has no entry. To a read a partition that cannot be reached is a miss, but "your lock is gone"
    /// must not be said on that ground. A removal tells the difference, and this one removes nothing: no entry has version 0.
    /// </summary>
    private static ValueTask<AnswerCopy> ConfirmAbsentAsync(RespConversation c, byte[] key) => c.Ask(Rewriting.RemoveIf(key, version: 0));

    private static bool Digest(RespConversation c, scoped in Arguments a)
    {
        c.RunSteps(DigestAsync(c, a[1].ToArray()));
        return true;
    }

    private static async Task DigestAsync(RespConversation c, byte[] key)
    {
        using var present = await c.Ask(On(OperationKind.Peek, key));
        if (present.Outcome == Outcome.Hit && present.Answer.Entry.Kind == EntryKind.Bytes)
        {
            ReplyFormatter.WriteBulk(c.Output, ValueDigest.Text(ValueDigest.Of(present.Answer.Entry)));
        }
        else
        {
            ReplyFormatter.Write(c.Output, ReplyKind.Value, present.Answer, c.Version, c.Now, default);
        }
    }

    /// <summary>What a conditional SET writes.</summary>
    private sealed record Write(byte[] Key, byte[] Value, LargeValue? Large)
    {
        public byte[] Tags { get; init; } = [];

        public long ExpiresAt { get; init; }

        public long SlidingMs { get; init; }

        public bool KeepTtl { get; init; }

        public bool ReturnsPrevious { get; init; }

        /// <summary>The operation, on exactly the entry that was compared.</summary>
        public Operation On(AnswerCopy present)
        {
            var operation = Parsing.On(OperationKind.Set, Key);
            operation.Value = Value;
            operation.Large = Large;
            operation.Tags = Tags;
            operation.ExpiresAt = ExpiresAt;
            operation.SlidingMs = SlidingMs;
            operation.KeepTtl = KeepTtl;
            operation.Condition = present.Outcome == Outcome.Hit ? Condition.IfVersion : Condition.IfAbsent;
            operation.Version = present.Outcome == Outcome.Hit ? present.Answer.Entry.Version : 0;
            return operation;
        }
    }
}
