using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Levee.Eviction;
using Levee.Keys;
using Levee.Learning;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Partitions;

/// <summary>
/// A tiny partition above a literal tier, and a dictionary beside them that acts at the moment of each answer. Where nothing may be lost every answer is the dictionary's; where
/// entries may be lost, an answer is the dictionary's or that of an absent key.
/// </summary>
internal sealed class PartitionTiersModel : IEffectHost, IAnswerSink, IInvalidationListener, IDisposable
{
    private const long Capacity = 6 * PageArena.PageBytes;
    private const long Reserve = 32 * PageArena.PageBytes;
    private const int Keys = 90;

    private static readonly string[] TagNames = ["red", "green", "blue"];

    private readonly Random random;
    private readonly bool loses;
    private readonly PartitionOptions options;
    private readonly Dictionary<string, CopiedEntry> model = [];
    private readonly Dictionary<string, long> slidingCaps = [];
    private readonly Dictionary<long, Asked> asked = [];
    private readonly Dictionary<long, CopiedEntry> previous = [];
    private readonly HashSet<string> uncertain = [];
    private readonly HashSet<ulong> changed = [];
    private readonly Dictionary<string, CopiedEntry> scanned = [];
    private Dictionary<string, CopiedEntry> entriesAtScan = [];
    private PageArena arena = null!;
    private PageShare share = null!;
    private byte[] scanScratch = new byte[1024];
    private long scanPosition;
    private PrefetchOutcome prefetched;
    private ulong? shownOld;
    private ulong lastVersion;
    private long ticket;
    private long now = 1_700_000_000_000;
    private int step;

    public PartitionTiersModel(int seed, bool loses, bool isThrough)
    {
        Seed = seed;
        this.loses = loses;
        random = new Random(seed);
        Tier = new MemoryTier(seed)
        {
            Clock = () => now,
            Keeping = CheckKept,
            Leaving = EndLoadsByHash,
            Capacity = loses ? 25 : int.MaxValue,
            DropPercent = loses ? 10 : 0,
            ReadsEarly = random.Next(2) == 0,
            IsUnknown = random.Next(4) == 0,
            IsWanted = random.Next(2) == 0,
        };
        options = new PartitionOptions { Policy = seed % 3 == 0 ? Policies.Names[seed / 3 % Policies.Names.Count] : "arc", Seed = (ulong)seed, MaxValueBytes = 96 * 1024, WritesThrough = isThrough };
        Open();
    }

    public int Seed { get; }

    public MemoryTier Tier { get; }

    public Partition Partition { get; private set; } = null!;

    public LargeValueStore LargeValues { get; private set; } = null!;

    /// <summary>How often each thing happened: a generator that does not reach its cases proves nothing.</summary>
    public Dictionary<string, int> Reached { get; } = [];

    public int PartitionOf(ulong hash) => 0;

    public void Run(int steps)
    {
        for (step = 0; step < steps; step++)
        {
            now += random.Next(10) switch { 0 => 40, < 3 => 1, _ => 0 };
            Tier.Reserve(now + 2000);
            Tier.Defers = step / 50 % 3 > 0;
            Tier.RefusesWrites = loses && random.Next(50) == 0;
            Act(random.Next(1000));
            if (Tier.Pending.Count > 0 && random.Next(3) == 0)
            {
                var which = random.Next(Tier.Pending.Count);
                if (Tier.Pending[which].IsPrefetch && random.Next(4) == 0)
                {
                    Tier.Drop(which);
                }
                else
                {
                    Tier.Complete(which, loses && random.Next(12) == 0);
                }
            }

            if (random.Next(40) == 0)
            {
                Tier.CarryOver();
            }

            if (step % 20 == 0)
            {
                Partition.Maintain(now);
            }

            if (step % 40 == 0)
            {
                Partition.CheckInvariants();
            }

            if (random.Next(3000) == 0)
            {
                Crash();
            }
        }

        Tier.CompleteAll();
        Check(asked.Count == 0, $"{asked.Count} operations were never answered");
        Partition.CheckInvariants();
        ReadAll();
        CheckNothingHeld();
    }

    public bool Complete(int partition, long ticket, scoped in LoadResult result)
    {
        shownOld = null;
        var isPromoted = Partition.Complete(ticket, result, now);
        Check(shownOld is null || changed.Contains(shownOld.Value), $"a reader was shown what was replaced, and nobody was told after it");
        changed.Clear();
        RunEffects();
        return isPromoted;
    }

    public bool HoldIfTrue<TState>(scoped in TierEntry entry, TState state, Func<TState, bool> action) => Partition.IsTrue(entry, now) && action(state);

    public TResult Hold<TState, TResult>(int partition, TState state, Func<Partition, TState, TResult> action) => action(Partition, state);

    public void Changed(ulong hash) => changed.Add(hash);

    public void TagRemoved(int partition, ReadOnlySpan<byte> tag) => changed.Add(ulong.MaxValue);

    public void Cleared(int partition) => changed.Add(ulong.MaxValue);

    public void Answer(long ticket, in Answer answer)
    {
        var copy = new CopiedAnswer(ticket, answer.Outcome, answer.Number, CopiedEntry.Of(answer.Entry), answer.Statistics);
        var operation = asked[ticket];
        if (copy.Outcome == Outcome.Item)
        {
            if (operation.Kind == OperationKind.Scan)
            {
                CheckSame(copy.Entry!.Key, copy.Entry);
                scanned[copy.Entry.Key] = copy.Entry;
            }
            else
            {
                Reach("previous");
                previous[ticket] = copy.Entry!;
                CheckSame(operation.Key, copy.Entry);
            }

            return;
        }

        asked.Remove(ticket);
        if (operation.Large is not null && copy.Outcome != Outcome.Stored)
        {
            operation.Large.Release();
        }

        Reach($"{operation.Kind} {copy.Outcome}");
        Reach(operation.HasWaited ? $"waited {operation.Kind} {copy.Outcome}" : "at once");
        CheckTold(operation, copy);
        Apply(operation, copy);
        CheckBelow(operation, copy);
    }

    public void Dispose() => arena.Dispose();

    private void Open()
    {
        arena = new PageArena(Capacity + Reserve);
        share = new PageShare(arena, Capacity);
        LargeValues = new LargeValueStore(arena, 96 * 1024);
        Tier.Attach(this);
        Tier.Reserve(now + 2000);
        Partition = new Partition(share, options, Tier, listener: this);
        Partition.SetPrefetching(notesPollution: Seed % 3 > 0, maxEntries: Seed % 5 == 0 ? 2 : int.MaxValue);
    }

    /// <summary>The process dies and another takes over, whose wall clock may be behind.</summary>
    private void Crash()
    {
        Reach("crash");
        foreach (var operation in asked.Values)
        {
            // What was not acknowledged may have happened or not: the entry is whatever it is, and written anew.
            operation.Large?.Release();
            Reach("crash with operations under way");
        }

        asked.Clear();
        previous.Clear();
        Tier.Crash(options.WritesThrough ? 0 : 50);
        arena.Dispose();
        now -= random.Next(3) == 0 ? 500 : 0;
        var floor = Tier.FloorMs;
        now = Math.Max(now, floor + 1);
        Open();
        Tier.Recover(0, Partition);
        scanPosition = 0;
        entriesAtScan = [];
        if (options.WritesThrough)
        {
            // A TTL that slid in memory alone is as it was written.
            uncertain.UnionWith(model.Where(pair => pair.Value.SlidingMs > 0).Select(pair => pair.Key));
        }
        else
        {
            uncertain.UnionWith(model.Keys);
        }

        ReadAll();
    }

    private void ReadAll()
    {
        var defers = Tier.Defers;
        Tier.Defers = false;
        for (var i = 0; i < Keys; i++)
        {
            Submit(TestBed.On($"k{i}", OperationKind.Peek), $"k{i}");
        }

        Tier.Defers = defers;
    }

    /// <summary>An emptied partition holds no large value: nobody has kept a reference, none was dropped twice.</summary>
    private void CheckNothingHeld()
    {
        Submit(new Operation { Kind = OperationKind.Clear }, "");
        while (Partition.Maintain(now) != MaintenanceWork.None)
        {
        }

        Check(share.LargeBytesHeld == 0, $"{share.LargeBytesHeld} bytes of large values are charged to an empty partition");
        Check(arena.RentedPages * PageArena.PageBytes == share.PageBytesHeld, $"{arena.RentedPages} pages are rented, the partition holds {share.PageBytesHeld} bytes");
    }

    private void Act(int choice)
    {
        var key = $"k{(int)(random.NextDouble() * random.NextDouble() * Keys)}";
        switch (choice)
        {
            case < 330: Submit(TestBed.On(key, OperationKind.Get), key); break;
            case < 370: Submit(TestBed.On(key, OperationKind.Peek), key); break;
            case < 390: Prefetch(key, random.Next(3) == 0); break;
            case < 680: Set(key); break;
            case < 750: Delete(key); break;
            case < 830: Expire(key); break;
            case < 880: Append(key); break;
            case < 930: Increment(key); break;
            case < 985: Scan(); break;
            case < 996: Submit(TestBed.On(TagNames[random.Next(3)], OperationKind.RemoveByTag), ""); break;
            case < 997: Submit(new Operation { Kind = OperationKind.Clear }, ""); break;
            default: Partition.Maintain(now); break;
        }
    }

    private void Set(string key)
    {
        var operation = TestBed.On(key, OperationKind.Set);
        operation.Condition = random.Next(10) switch { 0 => Condition.IfAbsent, 1 => Condition.IfPresent, 2 => Condition.IfVersion, _ => Condition.None };
        operation.Version = operation.Condition == Condition.IfVersion && random.Next(4) > 0 && model.TryGetValue(key, out var known) ? known.Version : 1;
        operation.KeepTtl = random.Next(10) == 0;
        operation.ReturnsPrevious = random.Next(10) == 0;
        operation.IsAhead = operation.Condition == Condition.IfAbsent && !operation.ReturnsPrevious && random.Next(2) == 0;
        operation.Flags = random.Next(4) == 0 ? (uint)random.Next() : 0;
        operation.ContentType = random.Next(5) == 0 ? "text/plain"u8 : default;
        operation.Tags = random.Next(3) == 0 ? TestBed.Pack(TagNames[random.Next(3)]) : default;
        operation.EntryKind = random.Next(10) == 0 ? EntryKind.Hash : EntryKind.Bytes;
        switch (random.Next(6))
        {
            case 0:
                operation.ExpiresAt = now + random.Next(1, 8000);
                break;
            case 1:
                operation.SlidingMs = random.Next(1, 4000);
                operation.ExpiresAt = random.Next(2) == 0 ? now + random.Next(1, 8000) : 0;
                break;
        }

        SubmitValue(operation, key, PickValue());
    }

    private byte[] PickValue()
    {
        if (random.Next(4) == 0)
        {
            return Encoding.ASCII.GetBytes(random.Next(-1000, 1000).ToString(CultureInfo.InvariantCulture));
        }

        var value = new byte[random.Next(60) switch { 0 => random.Next(Limits.MaxInlineBytes + 1, 90_000), < 40 => random.Next(3000, Limits.MaxInlineBytes + 1), _ => random.Next(300) }];
        random.NextBytes(value);
        return value;
    }

    /// <summary>Counts as nothing; is answered at once where there is nothing to load, else when the load ends. What it brings is checked by whoever reads the key next.</summary>
    private void Prefetch(string key, bool isByHash)
    {
        var before = Partition.GetStatistics();
        var operation = TestBed.On(key, OperationKind.Prefetch);
        var explained = Partition.Explain(operation.Key, now);
        var isLoading = explained.IsLoading || IsLoadingAhead(operation.Hash);
        var mayHold = Tier.MayHold(operation.Hash);
        operation.Key = isByHash ? [] : operation.Key;
        Submit(operation, key);
        var after = Partition.GetStatistics();
        var isAsked = asked.TryGetValue(ticket, out var waiting);
        var atOnce = !isByHash && explained.IsResident ? PrefetchOutcome.Resident : isLoading ? PrefetchOutcome.Resident : mayHold ? default(PrefetchOutcome?) : PrefetchOutcome.Absent;
        Check(atOnce is null || prefetched == atOnce, $"{key}: prefetch says {prefetched} at once, not {atOnce}; it was {explained}");
        Check(!isAsked || atOnce is null, $"{key}: a prefetch waits, and it was {explained}");
        Check((before.Hits, before.Misses) == (after.Hits, after.Misses) && Partition.LastAccess == AccessKind.Hit, $"{key}: a prefetch counts as a use");
        Reach($"prefetch {(isByHash ? "by hash " : "")}{(isAsked ? "waits" : prefetched)}{(isLoading ? " joins" : "")}");
    }

    /// <summary>What a load that knows a hash alone has read is out of date once the entry leaves memory.</summary>
    private void EndLoadsByHash(ulong hash)
    {
        foreach (var waiting in asked.Values.Where(waiting => waiting.Kind == OperationKind.Prefetch && waiting.Hash == hash))
        {
            waiting.IsOvertaken = true;
        }
    }

    private bool IsLoadingAhead(ulong hash) => asked.Values.Any(waiting => waiting.Kind == OperationKind.Prefetch && waiting.Hash == hash && !waiting.IsOvertaken);

    /// <summary>What a host is told of an operation, from where its entry was.</summary>
    private void CheckAccess(scoped in Operation operation, EntryExplanation explained, bool isLate)
    {
        if (operation.Kind is OperationKind.Peek || operation.IsAhead)
        {
            Check(Partition.LastAccess == AccessKind.Hit, $"a look at {explained} is told as {Partition.LastAccess}");
        }
        else if (operation.Kind == OperationKind.Get)
        {
            var access = Partition.LastAccess == AccessKind.PollutedMiss ? AccessKind.Miss : Partition.LastAccess;
            var expected = explained.IsPrefetched ? AccessKind.PrefetchHit : explained.IsResident ? AccessKind.Hit : isLate ? AccessKind.Late : AccessKind.Miss;
            Check(access == expected, $"a get of {explained} is told as {access}, not {expected}");
            Reach($"access {Partition.LastAccess}");
        }
    }

    private void Delete(string key)
    {
        var operation = TestBed.On(key, OperationKind.Delete);
        if (random.Next(3) == 0)
        {
            operation.Condition = Condition.IfVersion;
            operation.Version = random.Next(2) == 0 && model.TryGetValue(key, out var known) ? known.Version : 1;
        }

        operation.RequiresKind = random.Next(4) == 0;
        Submit(operation, key);
    }

    private void Expire(string key)
    {
        var operation = TestBed.On(key, OperationKind.Expire);
        operation.ExpireCondition = (ExpireCondition)(random.Next(3) == 0 ? 0 : 1 << random.Next(4));
        operation.ExpiresAt = random.Next(6) switch { 0 => Limits.Never, 1 => now - 1, _ => now + random.Next(1, 8000) };
        Submit(operation, key);
    }

    private void Append(string key)
    {
        var operation = TestBed.On(key, OperationKind.Append);
        var added = new byte[random.Next(random.Next(5) == 0 ? 4000 : 50)];
        random.NextBytes(added);
        SubmitValue(operation, key, added);
    }

    private void Increment(string key)
    {
        var operation = TestBed.On(key, OperationKind.Increment);
        operation.Number = random.Next(-100, 100);
        Submit(operation, key);
    }

    /// <summary>A scan in slices over the partition and then, at once, over the tier.</summary>
    private void Scan()
    {
        if (scanPosition == 0)
        {
            scanned.Clear();
            entriesAtScan = model.Where(pair => pair.Value.SlidingMs == 0).ToDictionary();
        }

        Submit(new Operation { Kind = OperationKind.Scan, Number = scanPosition, Count = random.Next(50, 400) }, "");
        if (scanPosition != 0)
        {
            return;
        }

        var position = 0L;
        do
        {
            position = Tier.Scan(position, (scoped in TierEntry entry) =>
            {
                if (Partition.IsTrue(entry, now))
                {
                    var key = Encoding.UTF8.GetString(entry.Key);
                    Reach("scanned below");
                    var found = CopiedEntry.Of(EntryView.Of(entry, ref scanScratch));
                    CheckSame(key, found);
                    scanned[key] = found!;
                }
            });
        }
        while (position != 0);
        foreach (var (key, entry) in entriesAtScan)
        {
            if (!loses && !uncertain.Contains(key) && ReferenceEquals(Alive(key), entry))
            {
                Reach("present throughout a scan");
                Check(scanned.ContainsKey(key), $"{key} was present throughout and not scanned");
            }
        }
    }

    private void SubmitValue(scoped Operation operation, string key, byte[] value)
    {
        if (value.Length <= Limits.MaxInlineBytes)
        {
            operation.Value = value;
            Submit(operation, key, value);
            return;
        }

        operation.Large = LargeValues.TryCreate(value);
        if (operation.Large is not null)
        {
            Submit(operation, key, value);
        }
    }

    private void Submit(scoped in Operation operation, string key, byte[]? value = null)
    {
        var submitted = new Asked(operation, key, value);
        asked.Add(++ticket, submitted);
        var isBlind = operation.Kind == OperationKind.Set && operation.Condition == Condition.None && !operation.KeepTtl && !operation.ReturnsPrevious;
        if (isBlind)
        {
            // Should it overtake readers that wait, they see what was there when it came.
            foreach (var (_, reader) in asked.Where(pair => pair.Value != submitted && !pair.Value.IsDetached && pair.Value.Key == key && pair.Value.Kind is OperationKind.Get or OperationKind.Peek))
            {
                reader.SeenIfOvertaken = Alive(key);
                reader.IsOvertaken |= reader.HasWaited;
            }
        }

        var explained = operation.Kind is OperationKind.Get or OperationKind.Peek ? Partition.Explain(operation.Key, now) : new EntryExplanation();
        var isLate = explained.IsLoading ? IsLoadingAhead(operation.Hash) : !explained.IsResident && Tier.MayHold(operation.Hash) && IsLoadingAhead(operation.Hash);
        Partition.Execute(operation, now, this, ticket);
        CheckAccess(operation, explained, isLate);
        if (operation.Kind is not (OperationKind.Get or OperationKind.Peek or OperationKind.Prefetch))
        {
            foreach (var (_, ahead) in asked.Where(pair => pair.Value.Kind == OperationKind.Prefetch && pair.Value.Hash == submitted.Hash))
            {
                ahead.IsOvertaken |= !Partition.Explain(operation.Key, now).IsLoading;
            }
        }

        submitted.HasWaited = true;
        RunEffects();
        if (isBlind && asked.ContainsKey(ticket))
        {
            Reach("a blind write waits behind a writer");
            foreach (var (_, reader) in asked.Where(pair => pair.Value.Key == key && pair.Value.IsOvertaken && !pair.Value.IsDetached))
            {
                reader.IsOvertaken = false;
            }
        }

        foreach (var (_, reader) in asked.Where(pair => pair.Value.Key == key && pair.Value.IsOvertaken))
        {
            reader.IsDetached = true;
        }
    }

    private void RunEffects()
    {
        while (Partition.HasEffects)
        {
            foreach (var effect in Partition.TakeEffects())
            {
                Tier.Run(this, 0, effect);
            }
        }
    }

    private void Apply(Asked operation, CopiedAnswer answer)
    {
        var key = operation.Key;
        switch (operation.Kind)
        {
            case OperationKind.Get or OperationKind.Peek when operation.IsDetached:
                ReadDetached(operation, answer);
                break;
            case OperationKind.Get or OperationKind.Peek:
                Read(operation, answer);
                break;
            case OperationKind.Prefetch:
                Check(answer.Outcome == Outcome.Done, $"{key}: a prefetch {answer.Outcome}");
                prefetched = (PrefetchOutcome)answer.Number;
                Reach($"prefetch ended {prefetched}");
                break;
            case OperationKind.Scan:
                scanPosition = answer.Number;
                break;
            case OperationKind.RemoveByTag:
                RemoveByTag(operation.TagName);
                break;
            case OperationKind.Clear:
                model.Clear();
                uncertain.Clear();
                entriesAtScan = [];
                scanPosition = 0;
                break;
            default:
                Write(operation, answer, key);
                break;
        }
    }

    private void ReadDetached(Asked operation, CopiedAnswer answer)
    {
        Reach($"detached {answer.Outcome}");
        if (answer.Outcome == Outcome.Hit)
        {
            var seen = operation.SeenIfOvertaken;
            shownOld = operation.Hash;
            Check(seen is not null && seen.Version == answer.Entry!.Version && seen.Value.AsSpan().SequenceEqual(answer.Entry.Value), $"{operation.Key}: a reader that was overtaken sees version {answer.Entry!.Version}, not {seen?.Version}");
        }
        else
        {
            Check(answer.Outcome == Outcome.Miss, $"{operation.Key}: {answer.Outcome}");
        }
    }

    private void Read(Asked operation, CopiedAnswer answer)
    {
        var key = operation.Key;
        if (answer.Outcome == Outcome.Miss)
        {
            CheckMayBeAbsent(key);
            return;
        }

        Check(answer.Outcome == Outcome.Hit, $"{key}: {answer.Outcome}");
        if (operation.Kind == OperationKind.Get && Alive(key) is { SlidingMs: > 0 } entry)
        {
            Reach("slid");
            model[key] = entry with { ExpiresAt = Math.Min(now + entry.SlidingMs, slidingCaps[key]) };
        }

        CheckSame(key, answer.Entry);
    }

    private void Write(Asked operation, CopiedAnswer answer, string key)
    {
        var before = Alive(key);
        previous.Remove(answer.Ticket, out var shown);
        switch (answer.Outcome)
        {
            case Outcome.Unavailable:
                Check(loses, $"{key}: {answer.Outcome} though nothing fails");
                return;
            case Outcome.OutOfMemory:
                uncertain.Add(key);
                return;
            case Outcome.Miss:
                CheckMayBeAbsent(key);
                if (operation.Kind == OperationKind.Delete)
                {
                    Forget(key);
                }

                return;
            case Outcome.ConditionFailed when operation.Kind == OperationKind.Set && answer.Entry is null:
                Check(operation.Condition != Condition.IfAbsent, $"{key}: NX failed where nothing is");
                CheckMayBeAbsent(key);
                return;
            case Outcome.ConditionFailed:
                CheckSame(key, answer.Entry);
                Check(operation.Condition != Condition.IfPresent && (operation.Condition != Condition.IfVersion || answer.Entry!.Version != operation.Version), $"{key}: a condition failed that holds");
                Check(operation.Kind != OperationKind.Expire || !operation.AllowsExpiry(answer.Entry!.ExpiresAt), $"{key}: {operation.ExpireCondition} from {answer.Entry!.ExpiresAt}");
                return;
            case Outcome.Removed:
                CheckSame(key, answer.Entry);
                Check(operation.Condition != Condition.IfVersion || answer.Entry!.Version == operation.Version, $"{key}: another version was removed");
                Forget(key);
                return;
            case Outcome.WrongKind or Outcome.NotANumber:
                Check(before is not null || uncertain.Contains(key), $"{key}: {answer.Outcome} where nothing was");
                return;
            case Outcome.TooLarge:
                Check(operation.Kind == OperationKind.Append, $"{key}: too large");
                return;
        }

        Check(answer.Outcome == Outcome.Stored, $"{key}: {answer.Outcome}");
        switch (operation.Kind)
        {
            case OperationKind.Set:
                Check(operation.Condition != Condition.IfVersion || before?.Version == operation.Version, $"{key}: stored over another version");
                Check(operation.Condition != Condition.IfPresent || before is not null || uncertain.Contains(key), $"{key}: XX stored where nothing was");
                if (operation.Condition == Condition.IfAbsent || (operation.ReturnsPrevious && shown is null))
                {
                    CheckMayBeAbsent(key);
                }

                if (!(operation.KeepTtl && before is not null && answer.Entry!.SlidingMs == before.SlidingMs))
                {
                    slidingCaps[key] = operation.ExpiresAt == 0 ? Limits.Never : operation.ExpiresAt;
                }

                Wrote(key, answer.Entry!, operation.Value!);
                break;
            case OperationKind.Append:
                var isNew = answer.Number == operation.Value!.Length && (before is null || before.Value.Length > 0);
                if (isNew && before is not null)
                {
                    CheckMayBeAbsent(key);
                }

                Wrote(key, answer.Entry!, isNew ? operation.Value : [.. before!.Value, .. operation.Value]);
                break;
            case OperationKind.Increment:
                if (!long.TryParse(Encoding.Latin1.GetString(before?.Value ?? []), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var present) || answer.Number != present + operation.Number)
                {
                    Check(answer.Number == operation.Number, $"{key}: {present} + {operation.Number} = {answer.Number}");
                    CheckMayBeAbsent(key);
                }

                Wrote(key, answer.Entry!, Encoding.ASCII.GetBytes(answer.Number.ToString(CultureInfo.InvariantCulture)));
                break;
            case OperationKind.Expire:
                Check(before is not null, $"{key}: a TTL for nothing");
                Check(operation.AllowsExpiry(before!.ExpiresAt), $"{key}: {operation.ExpireCondition} stored from {before.ExpiresAt} to {operation.ExpiresAt}");
                Check(before.Version == answer.Entry!.Version, $"{key}: another version got a TTL");
                if (operation.ExpiresAt <= now)
                {
                    Forget(key);
                }
                else
                {
                    model[key] = before with { ExpiresAt = operation.ExpiresAt, SlidingMs = 0 };
                    uncertain.Remove(key);
                    CheckSame(key, answer.Entry);
                }

                break;
        }
    }

    private void Forget(string key)
    {
        model.Remove(key);
        uncertain.Remove(key);
    }

    private void RemoveByTag(string tag)
    {
        var packed = Encoding.Latin1.GetString(TestBed.Pack(tag));
        foreach (var (key, entry) in model)
        {
            if (entry.Tags.Contains(packed, StringComparison.Ordinal))
            {
                Reach("invalidated");
                Forget(key);
            }
        }
    }

    private CopiedEntry? Alive(string key) => model.TryGetValue(key, out var entry) && entry.ExpiresAt > now ? entry : null;

    private void Wrote(string key, CopiedEntry entry, byte[] value)
    {
        Check(entry.Version > lastVersion, $"{key}: version {entry.Version} after {lastVersion}");
        Check(entry.Value.AsSpan().SequenceEqual(value), $"{key}: other bytes than were written");
        lastVersion = entry.Version;
        model[key] = entry;
        uncertain.Remove(key);
    }

    private void CheckMayBeAbsent(string key)
    {
        var entry = Alive(key);
        Check(loses || entry is null || uncertain.Contains(key), $"{key}: version {entry?.Version} is missing, though nothing was lost");
    }

    /// <summary>A change is told before its answer, by the operation that makes it; what changes nothing tells nothing.</summary>
    private void CheckTold(Asked operation, CopiedAnswer answer)
    {
        var isChange = answer.Outcome is Outcome.Stored or Outcome.Removed || (operation.Kind == OperationKind.Delete && answer.Outcome == Outcome.Miss) || operation.Kind is OperationKind.RemoveByTag or OperationKind.Clear;
        var hash = operation.Kind is OperationKind.RemoveByTag or OperationKind.Clear ? ulong.MaxValue : operation.Hash;
        Check(changed.Contains(hash) == isChange || answer.Outcome == Outcome.OutOfMemory, $"{operation.Kind} {operation.Key}: {answer.Outcome}, and {changed.Count} changes were told");
        Check(changed.Count <= 1, $"{changed.Count} changes were told for one");
        changed.Clear();
    }

    /// <summary>When something is acknowledged, nothing older may lie below.</summary>
    private void CheckBelow(Asked operation, CopiedAnswer answer)
    {
        if (answer.Outcome == Outcome.Stored && operation.Kind != OperationKind.Expire)
        {
            Tier.CheckNothingOlder(operation.Hash, answer.Entry!.Version);
        }
        else if (answer.Outcome == Outcome.Removed || (operation.Kind == OperationKind.Expire && answer.Outcome == Outcome.Stored && operation.ExpiresAt <= now))
        {
            Tier.CheckNothingOlder(operation.Hash, ulong.MaxValue);
        }
        else if (operation.Kind == OperationKind.Expire && answer.Outcome == Outcome.Stored)
        {
            Check(Tier.Held.All(held => held.Hash != operation.Hash || held.ExpiresAt == operation.ExpiresAt), $"{operation.Key}: a copy below has another TTL");
        }
    }

    private void CheckKept(MemoryTierEntry kept)
    {
        Check(model.TryGetValue(kept.Key, out var expected), $"{kept.Key} is kept, and was removed");
        Check(
            expected!.Version == kept.Version && expected.ExpiresAt == kept.ExpiresAt && kept.Value.SequenceEqual(expected.Value),
            $"{kept.Key} is kept with version {kept.Version}, expiry {kept.ExpiresAt}; in memory it was {expected.Version}, {expected.ExpiresAt}");
    }

    private void CheckSame(string key, CopiedEntry? found)
    {
        Check(found is not null, $"{key}: no entry shown");
        Check(model.TryGetValue(key, out var expected), $"{key}: version {found!.Version} is shown and was removed");
        Check(found.ExpiresAt > now, $"{key} has expired");
        Check(expected!.Version == found.Version, $"{key}: version {found.Version} is shown, the last is {expected.Version}");
        Check(expected.Value.AsSpan().SequenceEqual(found.Value), $"{key} has another value");
        Check(
            expected.ExpiresAt == found.ExpiresAt || (expected.SlidingMs > 0 && found.ExpiresAt < expected.ExpiresAt),
            $"{key} expires at {found.ExpiresAt}, not {expected.ExpiresAt}; sliding {expected.SlidingMs}");
        Check(expected with { Value = found.Value, SizeBytes = found.SizeBytes, ExpiresAt = found.ExpiresAt } == found, $"{key}: expected {expected}, found {found}");
    }

    private void Reach(string what) => Reached[what] = Reached.GetValueOrDefault(what) + 1;

    private void Check([DoesNotReturnIf(false)] bool holds, [InterpolatedStringHandlerArgument(nameof(holds))] ref Invariant.Text what)
    {
        if (!holds)
        {
            Assert.Fail($"Seed {Seed}, step {step}: {what.ToString()}.");
        }
    }

    /// <summary>An operation that has not been answered.</summary>
    private sealed class Asked(scoped in Operation operation, string key, byte[]? value)
    {
        public OperationKind Kind { get; } = operation.Kind;

        public string Key { get; } = key;

        public ulong Hash { get; } = operation.Hash;

        public byte[]? Value { get; } = value;

        public LargeValue? Large { get; } = operation.Large;

        public Condition Condition { get; } = operation.Condition;

        public ExpireCondition ExpireCondition { get; } = operation.ExpireCondition;

        public ulong Version { get; } = operation.Version;

        public long ExpiresAt { get; } = operation.ExpiresAt;

        public long Number { get; } = operation.Number;

        public bool KeepTtl { get; } = operation.KeepTtl;

        public bool ReturnsPrevious { get; } = operation.ReturnsPrevious;

        public string TagName { get; } = operation.Kind == OperationKind.RemoveByTag ? Encoding.UTF8.GetString(operation.Key) : "";

        public bool HasWaited { get; set; }

        public bool IsOvertaken { get; set; }

        public bool IsDetached { get; set; }

        public CopiedEntry? SeenIfOvertaken { get; set; }

        public bool AllowsExpiry(long before) => ExpireCondition switch
        {
            ExpireCondition.IfNone => before == Limits.Never,
            ExpireCondition.IfSome => before != Limits.Never,
            ExpireCondition.IfLater => before != Limits.Never && ExpiresAt > before,
            ExpireCondition.IfEarlier => ExpiresAt < before,
            _ => true,
        };
    }
}
