using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Partitions;

/// <summary>
/// A partition and a dictionary side by side under random operations of every kind. The partition may forget an entry at any time; whatever it shows must be
/// what the dictionary holds, with all metadata. A miss is taken over into the dictionary.
/// </summary>
internal sealed class PartitionModel : IDisposable
{
    private const long Capacity = 2 << 20;
    private const long Reserve = 1 << 20;

    private static readonly string[] TagNames = ["red", "green", "blue", "white", "black"];

    private readonly Random random;
    private readonly TestBed bed;
    private readonly Dictionary<string, CopiedEntry> model = [];
    private readonly Dictionary<string, long> slidingCaps = [];
    private readonly Dictionary<string, int> scanned = [];
    private Dictionary<string, ulong> versionsAtScan = [];
    private long scanPosition;
    private ulong lastVersion;
    private int step;

    public PartitionModel(int seed, string policy)
    {
        Seed = seed;
        random = new Random(seed);
        bed = new TestBed(Capacity, Reserve, new PartitionOptions { Policy = policy, Seed = (ulong)seed, MaxValueBytes = 96 * 1024 });
    }

    public int Seed { get; }

    /// <summary>How often each thing happened: a generator that does not reach its cases proves nothing.</summary>
    public Dictionary<string, int> Reached { get; } = [];

    private long Now { get; set; }

    public PartitionStatistics Statistics => bed.Partition.GetStatistics();

    public void Run(int steps)
    {
        for (step = 0; step < steps; step++)
        {
            bed.Now += random.Next(8) switch { 0 => 5, 1 => -3, < 4 => 1, _ => 0 };
            Act(random.Next(1000));
            if (step % 40 == 0)
            {
                bed.Partition.Maintain(bed.Now);
            }

            if (step % 1500 == 0)
            {
                bed.Partition.CheckInvariants();
            }

            Check(bed.Share.HeldBytes <= Capacity + Reserve, $"holds {bed.Share.HeldBytes}");
            Check(bed.Share.PageBytesHeld <= Capacity, $"holds {bed.Share.PageBytesHeld} in pages");
        }

        bed.Partition.CheckInvariants();
    }

    public void Dispose() => bed.Dispose();

    private void Act(int choice)
    {
        if (bed.Now > Now)
        {
            Now = bed.Now;
            bed.Peek("the partition's clock follows");
        }

        var key = $"key:{(int)(random.NextDouble() * random.NextDouble() * 3000)}";
        switch (choice)
        {
            case < 380: Read(key, OperationKind.Get); break;
            case < 420: Read(key, OperationKind.Peek); break;
            case < 700: Set(key); break;
            case < 760: Delete(key); break;
            case < 830: Expire(key); break;
            case < 880: Append(key); break;
            case < 930: Increment(key); break;
            case < 960: IncrementFloat(key); break;
            case < 996: Scan(); break;
            case < 999: RemoveByTag(); break;
            default: Clear(); break;
        }
    }

    private void Read(string key, OperationKind kind)
    {
        var answer = bed.Do(TestBed.On(key, kind));
        Reach($"{kind} {answer.Outcome}");
        if (answer.Outcome == Outcome.Miss)
        {
            model.Remove(key);
            return;
        }

        Check(answer.Outcome == Outcome.Hit, $"{key}: {answer.Outcome}");
        if (kind == OperationKind.Get && model.TryGetValue(key, out var entry) && entry.SlidingMs > 0 && entry.ExpiresAt > Now)
        {
            Reach("slid");
            model[key] = entry with { ExpiresAt = Math.Min(Now + entry.SlidingMs, slidingCaps[key]) };
        }

        CheckSame(key, answer.Entry);
    }

    private void Set(string key)
    {
        var operation = TestBed.On(key, OperationKind.Set);
        operation.Condition = random.Next(8) switch { 0 => Condition.IfAbsent, 1 => Condition.IfPresent, 2 => Condition.IfVersion, _ => Condition.None };
        operation.Version = operation.Condition == Condition.IfVersion && random.Next(3) > 0 && model.TryGetValue(key, out var known) ? known.Version : 1;
        operation.KeepTtl = random.Next(6) == 0;
        operation.ReturnsPrevious = random.Next(6) == 0;
        operation.Flags = (uint)(random.Next(4) == 0 ? random.Next() : 0);
        operation.ContentType = random.Next(5) == 0 ? "text/plain"u8 : default;
        operation.Tags = random.Next(4) == 0 ? TestBed.Pack(TagNames[random.Next(5)], TagNames[random.Next(5)]) : default;
        operation.EntryKind = random.Next(10) == 0 ? EntryKind.Hash : EntryKind.Bytes;
        PickExpiry(ref operation);
        var value = PickValue();
        var before = Alive(key);
        var answer = bed.SetValue(operation, value);
        if (operation.ReturnsPrevious && bed.Sink.Answers is [{ Outcome: Outcome.Item } previous, _])
        {
            Reach("previous");
            CheckSame(key, previous.Entry);
        }

        Reach($"Set {operation.Condition} {answer.Outcome}");
        switch (answer.Outcome)
        {
            case Outcome.Stored:
                var keeps = operation.KeepTtl && before is not null && answer.Entry!.ExpiresAt == before.ExpiresAt && answer.Entry.SlidingMs == before.SlidingMs;
                Check(operation.Condition != Condition.IfVersion || before?.Version == operation.Version, $"{key}: stored over another version");
                Check(operation.Condition != Condition.IfPresent || before is not null, $"{key}: XX stored where nothing was");
                if (keeps)
                {
                    Reach("kept TTL");
                }
                else
                {
                    CheckExpiry(operation, answer.Entry!);
                    slidingCaps[key] = operation.ExpiresAt == 0 ? Limits.Never : operation.ExpiresAt;
                }

                Check(answer.Entry!.Flags == operation.Flags && answer.Entry.Kind == operation.EntryKind, $"{key}: other flags or kind");
                Check(answer.Entry.ContentType.Length == operation.ContentType.Length && answer.Entry.Tags.Length == operation.Tags.Length, $"{key}: other metadata");
                Wrote(key, answer.Entry, value);
                break;
            case Outcome.ConditionFailed:
                ConditionFailed(key, answer);
                Check(operation.Condition != Condition.IfAbsent || answer.Entry is not null, $"{key}: NX failed where nothing is");
                Check(operation.Condition != Condition.IfPresent || answer.Entry is null, $"{key}: XX failed where something is");
                Check(operation.Condition != Condition.IfVersion || answer.Entry?.Version != operation.Version, $"{key}: failed over the version asked for");
                break;
            case Outcome.WrongKind:
                Check(operation.ReturnsPrevious && before is { Kind: not EntryKind.Bytes }, $"{key}: WrongKind where nothing of another kind was asked for");
                break;
            default:
                Check(answer.Outcome == Outcome.OutOfMemory && value.Length > Limits.MaxInlineBytes, $"{key}: {answer.Outcome} for {value.Length} bytes");
                break;
        }
    }

    private void PickExpiry(scoped ref Operation operation)
    {
        switch (random.Next(6))
        {
            case 0:
                operation.ExpiresAt = Now + random.Next(1, 20_000);
                break;
            case 1:
                operation.ExpiresAt = Now + random.Next(500, 20_000);
                operation.JitterMs = random.Next(1, 400);
                break;
            case 2:
                operation.SlidingMs = random.Next(1, 8000);
                operation.ExpiresAt = random.Next(2) == 0 ? Now + random.Next(1, 30_000) : 0;
                break;
            case 3 when random.Next(4) == 0:
                operation.SlidingMs = long.MaxValue;
                break;
        }
    }

    private void CheckExpiry(scoped in Operation operation, CopiedEntry entry)
    {
        if (operation.SlidingMs == long.MaxValue)
        {
            Check(entry.ExpiresAt == Limits.Never, "slides for ever");
        }
        else if (operation.SlidingMs > 0)
        {
            var cap = operation.ExpiresAt == 0 ? Limits.Never : operation.ExpiresAt;
            Check(entry.ExpiresAt == Math.Min(Now + operation.SlidingMs, cap), $"slides to {entry.ExpiresAt}");
        }
        else
        {
            var latest = operation.ExpiresAt == 0 ? Limits.Never : operation.ExpiresAt;
            Check(entry.ExpiresAt <= latest && entry.ExpiresAt >= latest - operation.JitterMs, $"expires at {entry.ExpiresAt}, asked for {operation.ExpiresAt} - {operation.JitterMs}");
        }
    }

    private byte[] PickValue()
    {
        var length = random.Next(60) switch
        {
            0 => random.Next(Limits.MaxInlineBytes + 1, 90_000),
            1 or 2 => random.Next(2000, Limits.MaxInlineBytes + 1),
            < 8 => random.Next(300, 2000),
            < 20 => random.Next(4),
            _ => random.Next(300),
        };
        if (random.Next(4) == 0)
        {
            return Encoding.ASCII.GetBytes(random.Next(-1000, 1000).ToString(CultureInfo.InvariantCulture));
        }

        var value = new byte[length];
        random.NextBytes(value);
        return value;
    }

    private void Delete(string key)
    {
        var operation = TestBed.On(key, OperationKind.Delete);
        if (random.Next(3) == 0)
        {
            operation.Condition = Condition.IfVersion;
            operation.Version = random.Next(2) == 0 && model.TryGetValue(key, out var known) ? known.Version : 1;
        }

        var answer = bed.Do(operation);
        Reach($"Delete {answer.Outcome}");
        if (answer.Outcome == Outcome.ConditionFailed)
        {
            ConditionFailed(key, answer);
            return;
        }

        if (answer.Outcome == Outcome.Removed)
        {
            CheckSame(key, answer.Entry);
        }

        model.Remove(key);
    }

    private void Expire(string key)
    {
        var operation = TestBed.On(key, OperationKind.Expire);
        operation.ExpireCondition = (ExpireCondition)(random.Next(3) == 0 ? 0 : 1 << random.Next(4));
        operation.ExpiresAt = random.Next(5) switch { 0 => Limits.Never, 1 => Now - 1, _ => Now + random.Next(1, 20_000) };
        var answer = bed.Do(operation);
        Reach($"Expire {operation.ExpireCondition} {answer.Outcome}");
        if (answer.Outcome == Outcome.Miss)
        {
            model.Remove(key);
            return;
        }

        var before = Alive(key);
        Check(before is not null, $"{key}: expires, but was removed");
        var allowed = operation.ExpireCondition switch
        {
            ExpireCondition.IfNone => before!.ExpiresAt == Limits.Never,
            ExpireCondition.IfSome => before!.ExpiresAt != Limits.Never,
            ExpireCondition.IfLater => before!.ExpiresAt != Limits.Never && operation.ExpiresAt > before.ExpiresAt,
            ExpireCondition.IfEarlier => operation.ExpiresAt < before!.ExpiresAt,
            _ => true,
        };
        Check(allowed == (answer.Outcome == Outcome.Stored), $"{key}: {operation.ExpireCondition} from {before!.ExpiresAt} to {operation.ExpiresAt}: {answer.Outcome}");
        if (!allowed)
        {
            CheckSame(key, answer.Entry);
        }
        else if (operation.ExpiresAt <= Now)
        {
            model.Remove(key);
        }
        else
        {
            model[key] = before with { ExpiresAt = operation.ExpiresAt, SlidingMs = 0 };
            CheckSame(key, answer.Entry);
        }
    }

    private void Append(string key)
    {
        var operation = TestBed.On(key, OperationKind.Append);
        var added = new byte[random.Next(random.Next(5) == 0 ? 4000 : 50)];
        random.NextBytes(added);
        operation.Value = added;
        var before = Alive(key);
        var answer = bed.Do(operation);
        Reach($"Append {answer.Outcome}");
        switch (answer.Outcome)
        {
            case Outcome.Stored:
                var isNew = answer.Number == added.Length && (before is null || before.Value.Length != 0);
                Check(isNew || answer.Number == before!.Value.Length + added.Length, $"{key}: {answer.Number} bytes after an append");
                Wrote(key, answer.Entry!, isNew ? added : [.. before!.Value, .. added]);
                break;
            case Outcome.TooLarge:
                Check(before!.Value.Length + added.Length > Limits.MaxInlineBytes, $"{key}: too large with {before.Value.Length} + {added.Length}");
                break;
            case Outcome.WrongKind:
                CheckSame(key, answer.Entry);
                break;
            default:
                Check(false, $"{key}: append was {answer.Outcome}");
                break;
        }
    }

    private void Increment(string key)
    {
        var operation = TestBed.On(key, OperationKind.Increment);
        operation.Number = random.Next(10) == 0 ? long.MaxValue : random.Next(-100, 100);
        var before = Alive(key);
        var answer = bed.Do(operation);
        Reach($"Increment {answer.Outcome}");
        var isNumber = long.TryParse(Encoding.Latin1.GetString(before?.Value ?? []), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var present);
        if (answer.Outcome == Outcome.Stored)
        {
            Check(answer.Number == operation.Number || (isNumber && answer.Number == present + operation.Number), $"{key}: {present} + {operation.Number} = {answer.Number}");
            Wrote(key, answer.Entry!, Encoding.ASCII.GetBytes(answer.Number.ToString(CultureInfo.InvariantCulture)));
        }
        else
        {
            Check(before is not null, $"{key}: {answer.Outcome} where nothing was");
            Check(answer.Outcome != Outcome.WrongKind || before!.Kind == EntryKind.Hash, $"{key}: kind {before!.Kind}");
            Check(answer.Outcome != Outcome.Overflow || (isNumber && (Int128)present + operation.Number is var sum && (sum > long.MaxValue || sum < long.MinValue)), $"{key}: overflow of {present}");
        }
    }

    private void IncrementFloat(string key)
    {
        var operation = TestBed.On(key, OperationKind.IncrementFloat);
        operation.Addend = random.Next(-1000, 1000) / 8.0;
        var before = Alive(key);
        var answer = bed.Do(operation);
        Reach($"IncrementFloat {answer.Outcome}");
        if (answer.Outcome != Outcome.Stored)
        {
            Check(before is not null && answer.Outcome is Outcome.NotANumber or Outcome.WrongKind or Outcome.Overflow, $"{key}: {answer.Outcome}");
            return;
        }

        var sum = decimal.Parse(Encoding.ASCII.GetString(answer.Entry!.Value), CultureInfo.InvariantCulture);
        var isNew = sum == (decimal)operation.Addend;
        Check(isNew || sum == decimal.Parse(Encoding.ASCII.GetString(before!.Value), CultureInfo.InvariantCulture) + (decimal)operation.Addend, $"{key}: sum {sum}");
        Wrote(key, answer.Entry, answer.Entry.Value);
    }

    private void Scan()
    {
        if (scanPosition == 0)
        {
            scanned.Clear();
            versionsAtScan = model.Where(pair => pair.Value.ExpiresAt == Limits.Never).ToDictionary(pair => pair.Key, pair => pair.Value.Version);
        }

        bed.Do(new Operation { Kind = OperationKind.Scan, Number = scanPosition, Count = random.Next(1, 1024) });
        foreach (var item in bed.Sink.Answers[..^1])
        {
            Check(item.Outcome == Outcome.Item, $"scan answers {item.Outcome}");
            var key = item.Entry!.Key;
            scanned[key] = scanned.GetValueOrDefault(key) + 1;
            CheckSame(key, item.Entry);
        }

        scanPosition = bed.Sink.Last.Number;
        if (scanPosition != 0)
        {
            return;
        }

        Reach("scan");
        foreach (var (key, version) in versionsAtScan)
        {
            if (bed.Peek(key).Entry?.Version == version)
            {
                Reach("present throughout a scan");
                Check(scanned.GetValueOrDefault(key) == 1, $"{key} was present throughout and scanned {scanned.GetValueOrDefault(key)} times");
            }
        }
    }

    private void RemoveByTag()
    {
        var tag = TagNames[random.Next(5)];
        var answer = bed.Do(TestBed.On(tag, OperationKind.RemoveByTag));
        Check(answer.Outcome == Outcome.Done, $"{answer.Outcome}");
        var packed = Encoding.Latin1.GetString(TestBed.Pack(tag));
        foreach (var (key, entry) in model)
        {
            if (entry.Tags.Contains(packed, StringComparison.Ordinal))
            {
                Reach("invalidated");
                model.Remove(key);
            }
        }
    }

    private void Clear()
    {
        if (random.Next(10) > 0)
        {
            return;
        }

        var answer = bed.Do(new Operation { Kind = OperationKind.Clear });
        Reach("clear");
        Check(answer.Outcome == Outcome.Done, $"{answer.Outcome}");
        model.Clear();
        scanPosition = 0;
    }

    private CopiedEntry? Alive(string key) => model.TryGetValue(key, out var entry) && entry.ExpiresAt > Now ? entry : null;

    private void Wrote(string key, CopiedEntry entry, byte[] value)
    {
        Check(entry.Version > lastVersion, $"{key}: version {entry.Version} after {lastVersion}");
        Check(entry.Version >> 16 >= (ulong)Now, $"{key}: the version's clock is behind");
        Check(entry.Value.AsSpan().SequenceEqual(value), $"{key}: other bytes than were written");
        lastVersion = entry.Version;
        model[key] = entry;
    }

    private void ConditionFailed(string key, CopiedAnswer answer)
    {
        if (answer.Entry is null)
        {
            model.Remove(key);
        }
        else
        {
            CheckSame(key, answer.Entry);
        }
    }

    private void CheckSame(string key, CopiedEntry? found)
    {
        Check(found is not null, $"{key}: no entry shown");
        Check(model.TryGetValue(key, out var expected), $"{key} was removed");
        Check(expected!.ExpiresAt > Now, $"{key} has expired");
        Check(expected.Value.AsSpan().SequenceEqual(found!.Value), $"{key} has another value");
        Check(expected with { Value = found.Value, SizeBytes = found.SizeBytes } == found, $"{key}: expected {expected}, found {found}");
    }

    private void Reach(string what) => Reached[what] = Reached.GetValueOrDefault(what) + 1;

    private void Check([DoesNotReturnIf(false)] bool holds, [InterpolatedStringHandlerArgument(nameof(holds))] ref Invariant.Text what)
    {
        if (!holds)
        {
            Assert.Fail($"Seed {Seed}, step {step}: {what.ToString()}.");
        }
    }

    private void Check([DoesNotReturnIf(false)] bool holds, string what)
    {
        if (!holds)
        {
            Assert.Fail($"Seed {Seed}, step {step}: {what}.");
        }
    }
}
