using System.Text;
using Levee.Clustering;
using Levee.Keys;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;

namespace Levee.Tests.Clustering;

/// <summary>Version 1 as it will be released. It stays readable from then on: change the programs, never these.</summary>
internal static class Samples
{
    public const string Request =
        "01010200080706050403020109000000000000001700000000000300030000003443E12D566277446B65795500020BFEC30300020000003443E12D566277446B6579050076616C7565010700000004746578740B000372656406707572706C650068E5CF8B01000060EA000000000000F4010000000000008877665544332211";

    public const string Reply =
        "0100040001000573696C6F3100000110FFFFFFFF050000000500000000000000030000006B657976616C756501000301FEFFFFFFFFFFFFFF02000C028877665544332211013F0068E5CF8B01000060EA00000000000000505C18A301000007000000047465787404000372656405006F74686572050076616C75650300FF00";

    public static Operation FullSet()
    {
        var set = TestBed.On("key", OperationKind.Set);
        set.Value = "value"u8.ToArray();
        set.EntryKind = EntryKind.Hash;
        set.Flags = 7;
        set.ContentType = "text"u8.ToArray();
        set.Tags = TestBed.Pack("red", "purple");
        set.ExpiresAt = 1_700_000_000_000;
        set.SlidingMs = 60_000;
        set.JitterMs = 500;
        set.KeepTtl = true;
        set.ReturnsPrevious = true;
        set.SkipsValue = true;
        set.Condition = Condition.IfVersion;
        set.Version = 0x1122334455667788;
        return set;
    }

    public static byte[] WriteRequest()
    {
        var writer = new OperationBatchWriter();
        writer.Begin(0x0102030405060708);
        writer.Void(9);
        writer.TryAdd(3, TestBed.On("key", OperationKind.Get));
        writer.TryAdd(2, FullSet());
        return writer.ToArray();
    }

    /// <summary>A hit, a sum, an item with everything, and a partition that is not here.</summary>
    public static byte[] WriteReply()
    {
        using var writer = new AnswerBatchWriter(5);
        byte[] scratch = [];
        writer.TryAdd(0, new Answer(Outcome.Hit, Entries.View(new TierEntry { Key = "key"u8, Value = "value"u8, Version = 5, ExpiresAt = Limits.Never }, ref scratch)), default);
        writer.TryAdd(1, new Answer(Outcome.Stored, -2), default);
        byte[] other = [];
        var full = new TierEntry
        {
            Key = "other"u8,
            Value = "value"u8,
            Version = 0x1122334455667788,
            ExpiresAt = 1_700_000_000_000,
            SlidingMs = 60_000,
            SlidingCap = 1_800_000_000_000,
            Flags = 7,
            Kind = EntryKind.Hash,
            ContentType = "text"u8,
            Tags = "\u0003red"u8,
        };
        writer.TryAdd(2, new Answer(Outcome.Item, Entries.View(full, ref other)), new EntryForm(WithKey: true, false, false, 0));
        writer.TryAddNotHere(3);
        return writer.ToArray("silo1"u8, ReplyFlags.None, 4, 1);
    }
}

internal static class Entries
{
    public static EntryView View(scoped in TierEntry entry, ref byte[] scratch) => EntryView.Of(entry, ref scratch);

    public static EntryView Any(Random random, string key)
    {
        byte[][] scratch = [[]]; // On the heap: what is returned looks into it.
        var value = new byte[random.Next(4) == 0 ? random.Next(Limits.MaxInlineBytes + 1) : random.Next(200)];
        random.NextBytes(value);
        var isSliding = random.Next(4) == 0;
        return EntryView.Of(
            new TierEntry
            {
                Key = Encoding.Latin1.GetBytes(key),
                Value = value,
                Version = (ulong)random.NextInt64(),
                ExpiresAt = isSliding || random.Next(3) == 0 ? random.NextInt64() : Limits.Never,
                SlidingMs = isSliding ? 1 + random.Next(100_000) : 0,
                SlidingCap = isSliding ? random.NextInt64() : 0,
                Flags = random.Next(3) == 0 ? (uint)random.Next() : 0,
                Kind = (EntryKind)random.Next(2),
                ContentType = new byte[random.Next(3) == 0 ? random.Next(256) : 0],
                Tags = random.Next(3) == 0 ? TestBed.Pack("red", "blue") : [],
            },
            ref scratch[0]);
    }

    public static byte[] Reply(Random random)
    {
        using var writer = new AnswerBatchWriter(4);
        for (var i = 0; i < 4; i++)
        {
            if (random.Next(3) == 0)
            {
                writer.TryAdd(i, new Answer(Outcome.Miss, random.Next(2)), default);
            }
            else
            {
                writer.TryAdd(i, new Answer(Outcome.Hit, Any(random, "key"), random.Next(2)), new EntryForm(random.Next(2) == 0, false, random.Next(5) == 0, 0));
            }
        }

        return writer.ToArray("silo"u8, ReplyFlags.None, 4, 0);
    }
}

internal static class Operations
{
    public static Operation Any(Random random)
    {
        var kind = (OperationKind)random.Next((int)PackedOperation.LastKind + 1);
        var key = new byte[random.Next(10) == 0 ? random.Next(kind == OperationKind.RemoveByTag ? Limits.MaxTagBytes : Limits.MaxKeyBytes) : random.Next(30)];
        random.NextBytes(key);
        var operation = new Operation { Kind = kind, Key = key, Hash = KeyHash.Of(key), SkipsValue = random.Next(2) == 0 };
        switch (kind)
        {
            case OperationKind.Get or OperationKind.Peek or OperationKind.Explain or OperationKind.Prefetch or OperationKind.Lease:
                return operation;
            case OperationKind.Scan or OperationKind.RemoveByTag or OperationKind.Clear or OperationKind.Statistics:
                operation.Partition = random.Next();
                operation.Count = kind == OperationKind.Scan ? random.Next(1, 1025) : 0;
                operation.Number = kind == OperationKind.Scan ? random.NextInt64() : 0;
                return operation;
        }

        operation.Value = new byte[random.Next(3) switch { 0 => 0, 1 => random.Next(100), _ => random.Next(Limits.MaxInlineBytes + 1) }];
        operation.EntryKind = (EntryKind)random.Next(2);
        operation.RequiresKind = random.Next(2) == 0;
        operation.Flags = random.Next(2) == 0 ? 0 : (uint)random.Next();
        operation.ContentType = new byte[random.Next(2) * random.Next(Limits.MaxContentTypeBytes + 1)];
        operation.Tags = random.Next(2) == 0 ? [] : TestBed.Pack("one", "two", "three");
        operation.ExpiresAt = random.Next(3) switch { 0 => 0, 1 => Limits.Never, _ => random.NextInt64() };
        operation.SlidingMs = random.Next(2) * random.NextInt64();
        operation.JitterMs = random.Next(2) * random.NextInt64();
        operation.KeepTtl = random.Next(2) == 0;
        operation.ReturnsPrevious = random.Next(2) == 0;
        operation.Condition = (Condition)random.Next(4);
        operation.IsAhead = random.Next(3) == 0;
        operation.ExpireCondition = (ExpireCondition)random.Next(16);
        operation.Version = (ulong)random.NextInt64() * (ulong)random.Next(2);
        operation.Number = random.Next(2) * random.NextInt64(long.MinValue, long.MaxValue);
        operation.Addend = random.Next(3) switch { 0 => 0, 1 => -0.0, _ => random.NextDouble() };
        return operation;
    }

    public static string Text(Operation o) =>
        string.Join(' ', o.Kind, Convert.ToHexString(o.Key), o.Hash, o.Partition, Convert.ToHexString(o.Value), o.EntryKind, o.RequiresKind, o.Flags, Convert.ToHexString(o.ContentType), Convert.ToHexString(o.Tags), o.ExpiresAt,
            o.SlidingMs, o.JitterMs, o.KeepTtl, o.ReturnsPrevious, o.Condition, o.ExpireCondition, o.Version, o.Number, BitConverter.DoubleToInt64Bits(o.Addend), o.Count, o.SkipsValue, o.IsAhead);

    public static byte[] Packed(scoped in Operation operation)
    {
        var traits = PackedOperation.TraitsOf(operation);
        var packed = new byte[PackedOperation.Length(operation, traits)];
        PackedOperation.Write(packed, 0, operation, traits);
        return packed;
    }

    public static byte[] Request(Random random)
    {
        var writer = new OperationBatchWriter();
        writer.Begin(random.NextInt64());
        for (var i = 0; i < 4; i++)
        {
            writer.TryAdd(i, Any(random));
        }

        return writer.ToArray();
    }
}

internal static class Damage
{
    /// <summary>Cuts, lengthens, or changes a few bytes, most often near the start, where the structure is.</summary>
    public static byte[] Of(Random random, byte[] whole)
    {
        byte[] bytes = [.. whole];
        switch (random.Next(4))
        {
            case 0:
                return bytes[..random.Next(bytes.Length)];
            case 1:
                return [.. bytes, .. new byte[random.Next(1, 20)]];
            default:
                for (var flips = random.Next(1, 4); flips > 0; flips--)
                {
                    bytes[random.Next(random.Next(2) == 0 ? Math.Min(64, bytes.Length) : bytes.Length)] ^= (byte)(1 << random.Next(8));
                }

                return bytes;
        }
    }
}
