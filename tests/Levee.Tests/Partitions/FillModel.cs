using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Partitions;

/// <summary>
/// A tiny partition, with loads in flight by every way in which an entry can come to it, and beside it a list of everything that ever
/// voided anything. Each value has a number of its own. What a read shows must have been
/// true when the read was asked: nothing may have voided it between the moment at which it was written, or its load began, and the
/// question.
/// <para>It lies either above a literal tier, or it moves again and again and has no tier: then the frozen copy is what it loads
/// from.</para>
/// </summary>
internal sealed class FillModel : IEffectHost, IAnswerSink, IDisposable
{
    private const long Capacity = 6 * PageArena.PageBytes;
    private const int Keys = 70;

    private static readonly string[] TagNames = ["red", "green", "blue"];

    private readonly int seed;
    private readonly Random random;
    private readonly MemoryTier? tier;
    private readonly List<Content> contents = [];
    private readonly List<Voiding> voidings = [];
    private readonly Dictionary<string, Content> current = [];
    private readonly Dictionary<long, Asked> asked = [];
    private readonly Dictionary<ulong, LeaseInfo> leases = [];
    private readonly List<Load> fills = [];
    private readonly List<Load> inFlight = [];
    private readonly List<CopiedEntry> frozen = [];
    private readonly List<CopiedEntry> chunk = [];
    private readonly List<Effect> sourceLoads = [];
    private PageArena arena;
    private Partition partition;
    private ulong leased;
    private long ticket;
    private long now = 1_700_000_000_000;
    private int moment;
    private int step;

    public FillModel(int seed, bool moves)
    {
        this.seed = seed;
        random = new Random(seed);
        arena = new PageArena(2 * Capacity);
        LargeValues = new LargeValueStore(arena, 64 * 1024);
        if (!moves)
        {
            tier = new MemoryTier(seed)
            {
                Clock = () => now,
                Defers = true,
                ReadsEarly = random.Next(2) == 0,
                IsWanted = random.Next(2) == 0,
                IsUnknown = random.Next(4) == 0,
            };
            tier.Attach(this);
            tier.Reserve(now + 1_000_000_000);
        }

        partition = new Partition(new PageShare(arena, Capacity), Options, tier);
    }

    /// <summary>How an entry comes without being written: its load is in flight meanwhile.</summary>
    private enum Way
    {
        GetOrCreate,
        OriginPrefetch,
        TierGet,
        TierPrefetch,
        TierPrefetchByHash,
        MoveByChunk,
        MoveByKey,
    }

    public Dictionary<string, int> Reached { get; } = [];

    public LargeValueStore LargeValues { get; }

    private PartitionOptions Options => new() { Seed = (ulong)seed };

    public int PartitionOf(ulong hash) => 0;

    public void Run(int steps)
    {
        for (step = 0; step < steps; step++)
        {
            now += random.Next(1500) == 0 ? FillLeases.LongestMs : random.Next(8) == 0 ? random.Next(200) : 0;
            Act(random.Next(100));
            if (random.Next(3) == 0)
            {
                EndOne();
            }

            if (random.Next(20) == 0)
            {
                partition.TakeDown(random.Next(1, 30), now);
            }

            if (random.Next(3) == 0)
            {
                tier?.CarryOver();
            }

            if (step % 25 == 0)
            {
                while (partition.Maintain(now) != MaintenanceWork.None)
                {
                }

                partition.CheckInvariants();
            }
        }

        while (fills.Count + sourceLoads.Count + chunk.Count + (tier?.Pending.Count ?? 0) > 0)
        {
            EndOne();
        }

        Check(asked.Count == 0, $"{asked.Count} operations were never answered");
        for (var i = 0; i < Keys; i++)
        {
            Read($"k{i}", OperationKind.Peek);
        }

        while (tier?.Pending.Count > 0)
        {
            EndOne();
        }

        partition.CheckInvariants();
    }

    public bool Complete(int partition, long ticket, scoped in LoadResult result)
    {
        var isStored = this.partition.Complete(ticket, result, now);
        RunEffects();
        return isStored;
    }

    public bool HoldIfTrue<TState>(scoped in TierEntry entry, TState state, Func<TState, bool> action) =>
        partition.IsTrue(entry, now) && action(state);

    public TResult Hold<TState, TResult>(int partition, TState state, Func<Partition, TState, TResult> action) =>
        action(this.partition, state);

    public void Answer(long ticket, in Answer answer)
    {
        asked.Remove(ticket, out var operation);
        moment++;
        var entry = CopiedEntry.Of(answer.Entry);
        if (operation!.Load is { } load && load.Way is not (Way.GetOrCreate or Way.OriginPrefetch))
        {
            End(load);
        }

        switch (operation.Kind)
        {
            case OperationKind.Get or OperationKind.Peek:
                if (answer.Outcome == Outcome.Hit)
                {
                    CheckShown(operation, entry!);
                }

                Reach(answer.Outcome.ToString());
                break;
            case OperationKind.Set when operation.Load is not null:
                Filled(operation, answer.Outcome, entry);
                break;
            case OperationKind.Set when answer.Outcome == Outcome.Stored:
                Wrote(operation.Content!, "write");
                break;
            case OperationKind.Delete:
                current.Remove(operation.Key);
                Void("removal", operation.Key, null, null);
                break;
            case OperationKind.RemoveByTag:
                Void("tag removal", null, operation.Key, null);
                break;
            case OperationKind.Clear:
                current.Clear();
                Void("clear", null, null, null);
                break;
            case OperationKind.Lease:
                leased = (ulong)answer.Number;
                break;
        }
    }

    public void Dispose() => arena.Dispose();

    private void Act(int choice)
    {
        var key = $"k{(int)(random.NextDouble() * random.NextDouble() * Keys)}";
        switch (choice)
        {
            case < 25: Read(key, OperationKind.Get); break;
            case < 30: Read(key, OperationKind.Peek); break;
            case < 45: Write(key); break;
            case < 53: Submit(TestBed.On(key, OperationKind.Delete), new Asked(OperationKind.Delete, key)); break;
            case < 57: RemoveByTag(TagNames[random.Next(3)]); break;
            case < 58 when random.Next(3) == 0: Clear(); break;
            case < 76: BeginFill(key); break;
            case < 86 when tier is not null: Prefetch(key, random.Next(2) == 0); break;
            case < 87 when tier is null && chunk.Count + sourceLoads.Count == 0: Move(); break;
        }
    }

    private void Read(string key, OperationKind kind) =>
        Submit(TestBed.On(key, kind), new Asked(kind, key) { Way = tier is null ? Way.MoveByKey : Way.TierGet });

    private void Clear() => Submit(new Operation { Kind = OperationKind.Clear }, new Asked(OperationKind.Clear, ""));

    private void Write(string key)
    {
        var content = NewContent(key);
        Submit(Set(content), new Asked(OperationKind.Set, key) { Content = content });
    }

    private void RemoveByTag(string tag) => Submit(TestBed.On(tag, OperationKind.RemoveByTag), new Asked(OperationKind.RemoveByTag, tag));

    /// <summary>Somebody begins to load a key from outside; what it will bring is true now.</summary>
    private void BeginFill(string key)
    {
        Submit(TestBed.On(key, OperationKind.Lease), new Asked(OperationKind.Lease, key));
        var content = NewContent(key);
        if (leases.TryGetValue(leased, out var shared))
        {
            Reach("shared lease");
            Check(shared.Key == key && !shared.IsOver, $"the lease {leased} was granted twice");
        }
        else
        {
            leases.Add(leased, new LeaseInfo(key, moment, now));
        }

        var load = new Load(random.Next(2) == 0 ? Way.GetOrCreate : Way.OriginPrefetch, key) { Content = content, Lease = leased };
        fills.Add(load);
        inFlight.Add(load);
    }

    private void Prefetch(string key, bool isByHash)
    {
        var operation = TestBed.On(key, OperationKind.Prefetch);
        operation.Key = isByHash ? [] : operation.Key;
        Submit(operation, new Asked(OperationKind.Prefetch, key) { Way = isByHash ? Way.TierPrefetchByHash : Way.TierPrefetch });
    }

    /// <summary>Ends any of the loads in flight.</summary>
    private void EndOne()
    {
        var which = random.Next(fills.Count + (tier?.Pending.Count ?? 0) + sourceLoads.Count + chunk.Count + 1) - 1;
        if (which < 0)
        {
            return;
        }

        if (which < fills.Count)
        {
            Fill(which);
        }
        else if ((which -= fills.Count) < (tier?.Pending.Count ?? 0))
        {
            tier!.Complete(which);
        }
        else if ((which -= tier?.Pending.Count ?? 0) < sourceLoads.Count)
        {
            LoadFromSource(which);
        }
        else
        {
            Import(which - sourceLoads.Count);
        }

        if (tier is null && partition.IsArriving && chunk.Count + sourceLoads.Count == 0)
        {
            partition.EndArrival(ArrivalEnd.Complete);
        }
    }

    private void Fill(int which)
    {
        var load = fills[which];
        fills.RemoveAt(which);
        var operation = Set(load.Content!);
        operation.Lease = load.Lease;
        operation.Condition = load.Way == Way.OriginPrefetch ? Condition.IfAbsent : Condition.None;
        operation.IsAhead = load.Way == Way.OriginPrefetch;
        Submit(operation, new Asked(OperationKind.Set, load.Key) { Content = load.Content, Load = load });
    }

    /// <summary>What a fill was answered is exactly what the list of voidings says.</summary>
    private void Filled(Asked operation, Outcome outcome, CopiedEntry? shown)
    {
        var load = operation.Load!;
        var content = operation.Content!;
        var lease = leases[load.Lease];
        End(load);
        var isTooOld = now - lease.GrantedMs >= FillLeases.LongestMs;
        var isVoid = lease.IsOver || isTooOld || IsVoid(content, lease.Moment, moment, isOwnVoidCounted: true);
        lease.IsOver = true;
        Reach(isVoid ? "refused" : outcome.ToString());
        if (isTooOld)
        {
            Reach("too old");
        }

        if (load.Voids.Contains("write") && !partition.Explain(Encoding.UTF8.GetBytes(load.Key), now).IsResident)
        {
            Reach("written over and evicted meanwhile");
        }

        if (isVoid)
        {
            var voids = string.Join(", ", load.Voids);
            Check(outcome == Outcome.ConditionFailed, $"{load.Way} {load.Key}: {outcome}, though it was voided by {voids}");
        }
        else if (outcome == Outcome.ConditionFailed)
        {
            Check(load.Way == Way.OriginPrefetch && shown is not null, $"{load.Way} {load.Key} was refused, though nothing voided it");
        }
        else
        {
            Check(outcome is Outcome.Stored or Outcome.OutOfMemory, $"{load.Way} {load.Key}: {outcome}");
        }

        if (outcome == Outcome.Stored)
        {
            Wrote(content, "fill");
        }
    }

    /// <summary>The partition is frozen and opened elsewhere; its loads are given up, its leases are not known there.</summary>
    private void Move()
    {
        partition.AbandonLoads();
        partition.EndArrival(ArrivalEnd.Complete);
        frozen.Clear();
        for (var i = 0; i < Keys; i++)
        {
            var sink = new CopyingSink();
            partition.Execute(TestBed.On($"k{i}", OperationKind.Peek), now, sink, 0);
            if (sink.Last.Entry is { } entry)
            {
                CheckShown(new Asked(OperationKind.Peek, entry.Key) { Moment = moment, Ms = now }, entry);
                frozen.Add(entry);
            }
        }

        chunk.AddRange(frozen);
        inFlight.AddRange(chunk.Select(static entry => new Load(Way.MoveByChunk, entry.Key)));
        foreach (var lease in leases.Values)
        {
            lease.IsOver = true;
        }

        var header = PartitionHeader.Read(partition.Header(1).Write());
        arena.Dispose();
        arena = new PageArena(2 * Capacity);
        partition = new Partition(new PageShare(arena, Capacity), Options with { Arriving = header });
        Reach("move");
    }

    private void Import(int which)
    {
        var entry = chunk[which];
        chunk.RemoveAt(which);
        var outcome = partition.Import(new MoveItem { Kind = MoveItemKind.Entry, Home = 1, Entry = EntryOf(entry) }, now);
        End(inFlight.First(load => load.Way == Way.MoveByChunk && load.Key == entry.Key));
        Reach($"import {outcome}");
        RunEffects();
    }

    private void LoadFromSource(int which)
    {
        var effect = sourceLoads[which];
        sourceLoads.RemoveAt(which);
        var found = frozen.FirstOrDefault(entry => entry.Key == Encoding.UTF8.GetString(effect.Key.Span));
        Complete(0, effect.Ticket, found is null
            ? new LoadResult { Outcome = LoadOutcome.NotFound, IsFromSource = true }
            : new LoadResult { Outcome = LoadOutcome.Found, IsFromSource = true, IsWanted = true, Home = 1, Entry = EntryOf(found) });
    }

    private void Submit(scoped in Operation operation, Asked question)
    {
        question.Moment = moment;
        question.Ms = now;
        asked.Add(++ticket, question);
        partition.Execute(operation, now, this, ticket);
        if (question.Way is { } way && asked.ContainsKey(ticket))
        {
            question.Load = new Load(way, question.Key) { Content = current.GetValueOrDefault(question.Key) };
            inFlight.Add(question.Load);
        }

        // A removal waits for the load of the key that it removes; for that load it comes when it is asked for.
        if (question.Kind == OperationKind.Delete && asked.ContainsKey(ticket))
        {
            Mark("removal", load => load.Key == question.Key);
        }

        RunEffects();
    }

    private void RunEffects()
    {
        while (partition.HasEffects)
        {
            foreach (var effect in partition.TakeEffects())
            {
                if (effect.Kind == EffectKind.LoadFromSource)
                {
                    sourceLoads.Add(effect);
                }
                else
                {
                    tier?.Run(this, 0, effect);
                }
            }
        }
    }

    private Content NewContent(string key)
    {
        string[] tags = random.Next(2) == 0 ? [] : [TagNames[random.Next(3)]];
        var expiresAt = random.Next(4) == 0 ? now + random.Next(1, 3000) : Limits.Never;
        var content = new Content(contents.Count, key, tags, expiresAt) { TrueSince = moment };
        contents.Add(content);
        return content;
    }

    private Operation Set(Content content)
    {
        var value = new byte[4 + random.Next(8000)];
        BinaryPrimitives.WriteInt32LittleEndian(value, content.Number);
        var operation = TestBed.On(content.Key, OperationKind.Set);
        operation.Value = value;
        operation.Tags = TestBed.Pack(content.Tags);
        operation.ExpiresAt = content.ExpiresAt;
        return operation;
    }

    private static TierEntry EntryOf(CopiedEntry entry)
    {
        var key = Encoding.UTF8.GetBytes(entry.Key);
        return new TierEntry
        {
            Key = key,
            Hash = KeyHash.Of(key),
            Value = entry.Value,
            Version = entry.Version,
            ExpiresAt = entry.ExpiresAt,
            Tags = Encoding.Latin1.GetBytes(entry.Tags),
        };
    }

    private void Wrote(Content content, string how)
    {
        content.TrueSince = how == "write" ? moment : content.TrueSince;
        current[content.Key] = content;
        Void(how, content.Key, null, content);
    }

    private void Void(string how, string? key, string? tag, Content? by)
    {
        voidings.Add(new Voiding(moment, key, tag, by));
        Mark(how, load => key is null ? tag is null || Carries(load, tag) : load.Key == key);
    }

    private bool Carries(Load load, string tag) => (load.Content ?? current.GetValueOrDefault(load.Key))?.Tags.Contains(tag) == true;

    private void Mark(string how, Func<Load, bool> isHit)
    {
        foreach (var load in inFlight.Where(isHit))
        {
            load.Voids.Add(how);
        }
    }

    private void End(Load load)
    {
        inFlight.Remove(load);
        Reach($"{load.Way}, nothing");
        foreach (var how in load.Voids)
        {
            Reach($"{load.Way}, {how}");
        }

        if (load.Content?.ExpiresAt <= now)
        {
            Reach($"{load.Way}, expiry");
        }
    }

    private bool IsVoid(Content content, int since, int until, bool isOwnVoidCounted) => voidings.Exists(voiding =>
        voiding.Moment > since && voiding.Moment <= until && (isOwnVoidCounted || voiding.By != content)
        && (voiding.Key is not null ? voiding.Key == content.Key : voiding.Tag is null || content.Tags.Contains(voiding.Tag)));

    private void CheckShown(Asked read, CopiedEntry entry)
    {
        var content = contents[BinaryPrimitives.ReadInt32LittleEndian(entry.Value)];
        Check(entry.Key == read.Key && content.Key == read.Key, $"{read.Key}: shows the value of {content.Key}");
        Check(content.ExpiresAt > read.Ms, $"{read.Key}: shows value {content.Number}, which has expired");
        Check(
            !IsVoid(content, content.TrueSince, read.Moment, isOwnVoidCounted: false),
            $"{read.Key}: shows value {content.Number}, true since {content.TrueSince} and voided before {read.Moment}");
    }

    private void Reach(string what) => Reached[what] = Reached.GetValueOrDefault(what) + 1;

    private void Check([DoesNotReturnIf(false)] bool holds, [InterpolatedStringHandlerArgument(nameof(holds))] ref Invariant.Text what)
    {
        if (!holds)
        {
            Assert.Fail($"Seed {seed}, step {step}: {what.ToString()}.");
        }
    }

    /// <summary>A value that was written or loaded.</summary>
    private sealed class Content(int number, string key, string[] tags, long expiresAt)
    {
        public int Number => number;

        public string Key => key;

        public string[] Tags => tags;

        public long ExpiresAt => expiresAt;

        /// <summary>The moment at which it was written, or its load began.</summary>
        public int TrueSince { get; set; }
    }

    /// <summary>Something that made entries void: those of a key, of a tag, or all.</summary>
    private sealed record Voiding(int Moment, string? Key, string? Tag, Content? By);

    private sealed class LeaseInfo(string key, int moment, long grantedMs)
    {
        public string Key => key;

        public int Moment => moment;

        public long GrantedMs => grantedMs;

        /// <summary>Whether it was shown, or the partition has moved.</summary>
        public bool IsOver { get; set; }
    }

    /// <summary>A load in flight.</summary>
    private sealed class Load(Way way, string key)
    {
        public Way Way => way;

        public string Key => key;

        public Content? Content { get; init; }

        public ulong Lease { get; init; }

        /// <summary>What hit it since it began.</summary>
        public HashSet<string> Voids { get; } = [];
    }

    /// <summary>An operation that has not been answered.</summary>
    private sealed class Asked(OperationKind kind, string key)
    {
        public OperationKind Kind => kind;

        public string Key => key;

        public Content? Content { get; init; }

        /// <summary>The load that it waits for, where it has to.</summary>
        public Way? Way { get; init; }

        public Load? Load { get; set; }

        public int Moment { get; set; }

        public long Ms { get; set; }
    }
}
