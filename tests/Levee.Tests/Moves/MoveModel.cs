using System.Globalization;
using System.Text;
using Levee.Eviction;
using Levee.Hosting;
using Levee.Learning;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Moves;

/// <summary>
/// Partitions that move between hosts, whose clocks differ by seconds, while operations go on; and a dictionary beside them that acts at the moment of each answer. A read shows what was the
/// last acknowledged value at some moment while it was under way; or, only where entries may be lost, nothing.
/// </summary>
internal sealed class MoveModel : IAnswerSink, IAsyncDisposable
{
    private const int Keys = 70;
    private const int PartitionCount = 2;
    private const int HistoryLength = 4000;

    private static readonly string[] TagNames = ["red", "green", "blue"];

    private readonly Random random;
    private readonly bool loses;
    private readonly ManualTime[] times;
    private readonly LockHost[] hosts;
    private readonly LiteralTier?[] tiers;
    private readonly int[] owners = new int[PartitionCount];
    private readonly long[] epochs = new long[PartitionCount];
    private readonly long[] clocks = new long[PartitionCount];
    private readonly ulong[] lastVersions = new ulong[PartitionCount];
    private readonly ControlledSource?[] sources = new ControlledSource?[PartitionCount];
    private readonly List<ControlledSource> allSources = [];
    private readonly Lock gate = new();
    private readonly Dictionary<string, CopiedEntry> model = [];
    private readonly Dictionary<long, Asked> asked = [];
    private readonly List<string> problems = [];
    private readonly Queue<(int Partition, string Key, string What)> history = [];
    private readonly List<Task<ArrivalReport?>> arrivals = [];
    private long ticket;
    private long switches;
    private int step;

    public MoveModel(int seed, bool loses, bool hasTiers)
    {
        Seed = seed;
        this.loses = loses;
        random = new Random(seed);
        times = [.. Enumerable.Range(0, 3).Select(_ => new ManualTime())];
        foreach (var time in times)
        {
            time.Advance(random.Next(6000));
        }

        tiers = [.. times.Select(time => hasTiers ? new LiteralTier(random.Next(2) == 0 ? 0 : time.Milliseconds - 500) : null)];
        hosts =
        [
            .. Enumerable.Range(0, 3).Select(i => new LockHost(
                new CacheOptions { MemoryBytes = loses ? 3L << 20 : 48L << 20, Partitions = PartitionCount, MaxValueBytes = 96 * 1024, IsTiny = true, Policy = (seed % 8) switch { 0 => "lru", 2 => "s3-fifo", 4 => "w-tinylfu", _ => "arc" } },
                times[i],
                tiers[i],
                (ulong)(seed + i),
                maintains: false,
                opens: false,
                new MoveOptions
                {
                    RetryDelay = TimeSpan.FromMilliseconds(1),
                    Attempts = loses ? 2 : 50,
                    FreezeWait = loses ? TimeSpan.FromMilliseconds(20) : TimeSpan.FromMinutes(1),
                    RoomWait = TimeSpan.FromMilliseconds(loses ? 5 : 60_000),
                    MaxVoided = loses && random.Next(3) == 0 ? 5 : 1 << 20,
                })),
        ];
        for (var i = 0; i < PartitionCount; i++)
        {
            owners[i] = random.Next(3);
            hosts[owners[i]].Open(i, ++epochs[i], 0);
        }
    }

    public int Seed { get; }

    /// <summary>How far it is.</summary>
    public int Step => Volatile.Read(ref step);

    /// <summary>What it waits for, where it waits.</summary>
    public string Doing { get; private set; } = "";

    /// <summary>How often each thing happened: a generator that does not reach its cases proves nothing.</summary>
    public Dictionary<string, int> Reached { get; } = [];

    public async Task RunAsync(int steps)
    {
        for (step = 0; step < steps; step++)
        {
            times[random.Next(3)].Advance(random.Next(8) == 0 ? random.Next(60) : 0);
            Act();
            Pump();
            if (step % 10 == 0)
            {
                hosts[random.Next(3)].MaintainOnce();
            }

            if (random.Next(60) == 0)
            {
                SwitchPolicy(random.Next(PartitionCount));
            }

            if (random.Next(120) == 0)
            {
                await MoveAsync(random.Next(PartitionCount));
            }

            if (step % 500 == 0)
            {
                foreach (var host in hosts)
                {
                    host.CheckInvariants();
                }
            }

            lock (gate)
            {
                Assert.True(problems.Count == 0, string.Join("\n", problems.Take(3)));
            }
        }

        await SettleAsync();
        for (var i = 0; i < Keys; i++)
        {
            Submit(TestBed.On($"k{i}", OperationKind.Peek), $"k{i}");
        }

        await SettleAsync();
        Doing = "waits for all arrivals";
        Reach("arrival with losses", (await Task.WhenAll(arrivals)).Count(static report => report is { Lost: > 0 }));
        Assert.Empty(asked);
        Assert.True(problems.Count == 0, string.Join("\n", problems.Take(3)));
        Assert.All(tiers, static tier => Assert.Empty(tier?.Broken ?? []));
        Reach("demotions", tiers.Sum(static tier => tier?.Demotions ?? 0));
        Reach("loads from a tier", tiers.Sum(static tier => tier?.Loads ?? 0));
        Reach("clears of a tier", tiers.Sum(static tier => tier?.Clears ?? 0));
        Reach("chunks", allSources.Sum(static source => source.Chunks));
        Reach("keys", allSources.Sum(static source => source.Keys));
        await CheckNothingHeldAsync();
    }

    public void Answer(long ticket, in Answer answer)
    {
        var copy = new CopiedAnswer(ticket, answer.Outcome, answer.Number, CopiedEntry.Of(answer.Entry), null);
        lock (gate)
        {
            var operation = asked[ticket];
            if (copy.Outcome == Outcome.Item)
            {
                Check(Same(Current(operation.Key), copy.Entry), $"{operation.Key}: the entry before is shown as {copy.Entry}");
                return;
            }

            asked.Remove(ticket);
            if (operation.Large is not null && copy.Outcome != Outcome.Stored)
            {
                operation.Large.Release();
            }

            Note(operation.Partition, operation.Key, $"{ticket} {operation.Kind} {copy.Outcome} v{copy.Entry?.Version} x{copy.Entry?.ExpiresAt % 1_000_000} n{copy.Number}");
            Reach($"{operation.Kind} {copy.Outcome}{(operation.HasWaited ? " after a wait" : "")}");
            Apply(operation, copy);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var source in allSources)
        {
            source.AnswersAtOnce = true;
        }

        foreach (var host in hosts)
        {
            await host.DisposeAsync();
        }
    }

    /// <summary>Few nodes a slice, so that partitions are frozen and opened in the middle of it.</summary>
    private void SwitchPolicy(int partition)
    {
        var name = Policies.Names[random.Next(Policies.Names.Count)];
        hosts[owners[partition]].Hold(partition, (Number: ++switches, Name: name), static (held, to) =>
        {
            held.SwitchedPerSlice = 3;
            held.SwitchPolicy(to.Number, to.Name);
            return true;
        });
        Reach("policy switches");
    }

    private void Pump()
    {
        foreach (var tier in tiers)
        {
            if (tier is not null && random.Next(6) == 0)
            {
                tier.Defers = random.Next(3) > 0;
                tier.TryComplete(random.Next(10));
            }
        }

        foreach (var source in sources)
        {
            if (source is not null && random.Next(4) == 0)
            {
                var fails = random.Next(10) == 0;
                if (source.TryComplete(random.Next(10), fails))
                {
                    Reach(fails ? "a call fails" : "a call ends");
                }
            }

            if (source is not null && loses && random.Next(2500) == 0)
            {
                Reach("source dies");
                source.Die();
            }
        }
    }

    private async Task MoveAsync(int partition)
    {
        var from = hosts[owners[partition]];
        var patient = !loses || random.Next(2) == 0;
        var answersLate = patient && random.Next(2) == 0;
        if (patient && !answersLate)
        {
            Answer();
        }

        Doing = $"waits for the arrival of {partition} on {owners[partition]}";
        if (!patient || answersLate)
        {
            AskBelow(partition);
        }

        var isWhole = (await (random.Next(3) == 0 && !answersLate ? from.Arrived(partition) : Task.FromResult<ArrivalReport?>(null)).WaitAsync(TimeSpan.FromMilliseconds(patient ? 60_000 : 1)).ContinueWith(static task => task.IsCompletedSuccessfully)) && patient;
        Reach(isWhole ? "moved when all had come" : "moved in the middle");
        var epoch = ++epochs[partition];
        Doing = $"freezes {partition} on {owners[partition]}";
        Reach("loads under way when it is frozen", tiers[owners[partition]]?.Waiting ?? 0);
        var freezing = from.FreezeAsync(partition, epoch);
        if (answersLate)
        {
            Assert.False(from.TrySubmit(new Operation { Kind = OperationKind.Clear, Partition = partition }, this, -1));
            Reach("frozen before the answers came");
            Answer();
        }

        var copy = await freezing;
        Note(partition, "", $"is frozen for epoch {epoch} {hosts[owners[partition]].Arrivals.FirstOrDefault(arrival => arrival.Partition == partition)}");
        Doing = "";
        Assert.Equal((FreezeOutcome.Frozen, epoch, true), (copy.Outcome, copy.CopyEpoch, copy.IsCurrent));
        Assert.Equal(copy, await from.FreezeAsync(partition, epoch));
        Assert.Equal((FreezeOutcome.Refused, epoch), ((await from.FreezeAsync(partition, epoch - 1)).Outcome, copy.KnownEpoch));
        Assert.False(from.IsOpen(partition));
        Assert.False(from.TrySubmit(new Operation { Kind = OperationKind.Clear, Partition = partition }, this, -1));
        var target = (owners[partition] + random.Next(1, 3)) % 3;
        foreach (var tier in tiers)
        {
            tier?.Defers = random.Next(2) == 0;
        }

        if (loses && random.Next(8) == 0)
        {
            // Who took it over died before it opened it: the next one begins empty, above all that was given out.
            Reach("opened empty");
            epoch = ++epochs[partition];
            hosts[target].Open(partition, epoch, (long)(lastVersions[partition] >> 16));

            // Versions go on above all others. Expiry begins anew with the clock of the first operation, here or wherever it has moved by then: nothing is left that had expired before.
            clocks[partition] = 0;
            from.Drop(partition, epoch - 1);
            sources[partition] = null;
        }
        else
        {
            var source = new ControlledSource(from, partition, epoch) { AnswersAtOnce = random.Next(6) == 0 };
            allSources.Add(source);
            sources[partition] = source;
            hosts[target].Open(partition, epoch, copy, source);
            arrivals.Add(hosts[target].Arrived(partition));
            Reach("moved");
        }

        owners[partition] = target;
        Note(partition, "", $"is here for epoch {epoch}{(sources[partition] is null ? ", empty" : "")}");
        void Answer()
        {
            foreach (var tier in tiers)
            {
                tier?.Defers = false;
            }

            sources[partition]?.AnswersAtOnce = true;
        }
    }

    /// <summary>Leaves loads under way in the tiers of the host that has a partition.</summary>
    private void AskBelow(int partition)
    {
        tiers[owners[partition]]?.Defers = true;
        for (var i = 0; i < Keys; i++)
        {
            if (PartitionOf($"k{i}") == partition && random.Next(3) == 0)
            {
                Submit(TestBed.On($"k{i}", OperationKind.Get), $"k{i}");
            }
        }
    }

    private async Task SettleAsync()
    {
        foreach (var tier in tiers)
        {
            tier?.Defers = false;
        }

        foreach (var source in sources)
        {
            source?.AnswersAtOnce = true;
        }

        for (var i = 0; i < PartitionCount; i++)
        {
            Doing = $"waits in the end for the arrival of {i} on {owners[i]}: {string.Join(", ", hosts[owners[i]].Arrivals)}";
            var report = await hosts[owners[i]].Arrived(i);
            Assert.True(loses || report is null or { Lost: 0, Problem: "" }, $"seed {Seed}: {report}");
        }

        foreach (var tier in tiers)
        {
            while (tier?.TryComplete(0) ?? false)
            {
            }
        }
    }

    /// <summary>Emptied hosts hold nothing: nobody has kept a reference, none was dropped twice.</summary>
    private async Task CheckNothingHeldAsync()
    {
        Doing = "empties the hosts";
        for (var i = 0; i < PartitionCount; i++)
        {
            Submit(new Operation { Kind = OperationKind.Clear, Partition = i }, "");
            await hosts[owners[i]].FreezeAsync(i, ++epochs[i]);
            hosts[owners[i]].Drop(i, epochs[i]);
        }

        foreach (var host in hosts)
        {
            while (host.MaintainOnce())
            {
            }

            foreach (var copy in host.Partitions)
            {
                Assert.True(loses, $"{copy} is left");
                host.Drop(copy.Number, copy.Epoch);
            }

            while (host.MaintainOnce())
            {
            }

            Assert.True(host.HeldBytes == 0, $"seed {Seed}: {host.HeldBytes} bytes are held by an empty host");
        }
    }

    private void Act()
    {
        var key = $"k{(int)(random.NextDouble() * random.NextDouble() * Keys)}";
        switch (random.Next(1000))
        {
            case < 310: Submit(TestBed.On(key, OperationKind.Get), key); break;
            case < 350: Prefetch(key); break;
            case < 400: Submit(TestBed.On(key, OperationKind.Peek), key); break;
            case < 700: Set(key); break;
            case < 770: Delete(key); break;
            case < 830: Expire(key); break;
            case < 880: Append(key); break;
            case < 980: Increment(key); break;
            case < 997: RemoveByTag(TagNames[random.Next(3)]); break;
            default: Submit(new Operation { Kind = OperationKind.Clear, Partition = random.Next(PartitionCount) }, ""); break;
        }
    }

    private void Prefetch(string key)
    {
        var operation = TestBed.On(key, OperationKind.Prefetch);
        operation.Key = ticket % 3 == 0 ? [] : operation.Key; // Drawing no lots leaves the others as they are.
        Submit(operation, key);
    }

    private void Set(string key)
    {
        var partition = PartitionOf(key);
        var now = Math.Max(clocks[partition], hosts[owners[partition]].Clock.Now);
        var operation = TestBed.On(key, OperationKind.Set);
        operation.Condition = random.Next(10) switch { 0 => Condition.IfAbsent, 1 => Condition.IfPresent, 2 => Condition.IfVersion, _ => Condition.None };
        lock (gate)
        {
            operation.Version = model.TryGetValue(key, out var known) ? known.Version : 1;
        }

        operation.ReturnsPrevious = random.Next(10) == 0;
        operation.Flags = random.Next(4) == 0 ? (uint)random.Next() : 0;
        operation.ContentType = random.Next(5) == 0 ? "text/plain"u8 : default;
        operation.Tags = random.Next(3) == 0 ? TestBed.Pack(TagNames[random.Next(3)]) : default;
        switch (random.Next(8))
        {
            case 0:
                operation.ExpiresAt = now + random.Next(1, 6000);
                break;
            case 1:
                operation.SlidingMs = random.Next(1, 4000);
                break;
        }

        byte[] value;
        if (random.Next(3) == 0)
        {
            value = Encoding.ASCII.GetBytes(random.Next(-1000, 1000).ToString(CultureInfo.InvariantCulture));
        }
        else
        {
            value = new byte[random.Next(30) switch { 0 => random.Next(Limits.MaxInlineBytes + 1, 90_000), < 15 => random.Next(2000, Limits.MaxInlineBytes + 1), _ => random.Next(300) }];
            random.NextBytes(value);
        }

        if (value.Length <= Limits.MaxInlineBytes)
        {
            operation.Value = value;
            Submit(operation, key, value);
            return;
        }

        operation.Large = hosts[owners[partition]].LargeValues.TryCreate(value);
        if (operation.Large is not null)
        {
            Submit(operation, key, value);
        }
    }

    private void Delete(string key)
    {
        var operation = TestBed.On(key, OperationKind.Delete);
        lock (gate)
        {
            operation.Condition = random.Next(3) == 0 ? Condition.IfVersion : Condition.None;
            operation.Version = random.Next(2) == 0 && model.TryGetValue(key, out var known) ? known.Version : 1;
        }

        Submit(operation, key);
    }

    private void Expire(string key)
    {
        var partition = PartitionOf(key);
        var now = Math.Max(clocks[partition], hosts[owners[partition]].Clock.Now);
        var operation = TestBed.On(key, OperationKind.Expire);
        operation.ExpiresAt = random.Next(6) switch { 0 => Limits.Never, 1 => now - 1, _ => now + random.Next(1, 6000) };
        Submit(operation, key);
    }

    private void Append(string key)
    {
        var operation = TestBed.On(key, OperationKind.Append);
        var added = new byte[random.Next(random.Next(5) == 0 ? 4000 : 50)];
        random.NextBytes(added);
        operation.Value = added;
        Submit(operation, key, added);
    }

    private void Increment(string key)
    {
        var operation = TestBed.On(key, OperationKind.Increment);
        operation.Number = random.Next(1, 100);
        Submit(operation, key);
    }

    private void RemoveByTag(string tag)
    {
        var operation = TestBed.On(tag, OperationKind.RemoveByTag);
        operation.Partition = random.Next(PartitionCount);
        Submit(operation, "");
    }

    private void Submit(scoped in Operation operation, string key, byte[]? value = null)
    {
        var partition = key.Length == 0 ? operation.Partition : PartitionOf(key);
        var host = hosts[owners[partition]];
        Asked submitted;
        lock (gate)
        {
            submitted = new Asked(operation, key, partition, value);
            submitted.Seen.Add(key.Length == 0 ? null : Current(key));
            asked.Add(++ticket, submitted);
        }

        Note(partition, key, $"{ticket} {operation.Kind} {operation.Condition} is asked");
        Assert.True(host.TrySubmit(operation, this, ticket));
        lock (gate)
        {
            submitted.HasWaited = true;
            clocks[partition] = Math.Max(clocks[partition], hosts[owners[partition]].Clock.Now);
        }
    }

    private int PartitionOf(string key) => hosts[0].PartitionOf(Levee.Keys.KeyHash.Of(Encoding.UTF8.GetBytes(key)));

    private void Apply(Asked operation, CopiedAnswer answer)
    {
        var key = operation.Key;
        var current = key.Length == 0 ? null : Current(key);
        switch (answer.Outcome)
        {
            case Outcome.Done when operation.Kind == OperationKind.Clear:
                ForgetWhere(operation.Partition, static _ => true);
                return;
            case Outcome.Done when operation.Kind == OperationKind.Prefetch:
                Reach("prefetch that loads", answer.Number == (long)PrefetchOutcome.Promoted ? 1 : 0);
                return;
            case Outcome.Done:
                var packed = Encoding.Latin1.GetString(TestBed.Pack(operation.TagName));
                ForgetWhere(operation.Partition, entry => entry.Tags.Contains(packed, StringComparison.Ordinal));
                foreach (var reader in asked.Values.Where(reader => reader.Partition == operation.Partition && reader.Seen.Any(seen => seen is not null && seen.Tags.Contains(packed, StringComparison.Ordinal))).ToArray())
                {
                    reader.Seen.Add(null); // A write has overtaken it, and what it overtook is gone.
                }

                return;
            case Outcome.Hit:
                Check(operation.Seen.Any(seen => Same(seen, answer.Entry)), $"{key}: {answer.Entry} is shown; the last was {current}");
                Check(answer.Entry!.ExpiresAt > clocks[operation.Partition], $"{key}: expired at {answer.Entry.ExpiresAt}, shown at {clocks[operation.Partition]}");
                if (answer.Entry.SlidingMs > 0 && current?.Version == answer.Entry.Version)
                {
                    model[key] = current with { ExpiresAt = answer.Entry.ExpiresAt };
                }

                return;
            case Outcome.Miss when operation.Kind is OperationKind.Get or OperationKind.Peek:
                Check(loses || operation.Seen.Any(seen => MayBeAbsent(operation.Partition, seen)), $"{key}: {current} is missing, though nothing was lost");
                return;
            case Outcome.Miss:
                CheckMayBeAbsent(operation, current);
                Put(key, null);
                return;
            case Outcome.ConditionFailed when answer.Entry is null:
                CheckMayBeAbsent(operation, current);
                return;
            case Outcome.ConditionFailed:
                Check(Same(current, answer.Entry), $"{key}: the condition failed on {answer.Entry}; the last was {current}");
                Check(operation.Condition != Condition.IfPresent && (operation.Condition != Condition.IfVersion || answer.Entry.Version != operation.Version), $"{key}: {operation.Condition} holds and failed");
                return;
            case Outcome.Removed:
                Check(Same(current, answer.Entry), $"{key}: {answer.Entry} was removed; the last was {current}");
                Check(operation.Condition != Condition.IfVersion || answer.Entry!.Version == operation.Version, $"{key}: another version was removed");
                Put(key, null);
                return;
            case Outcome.Unavailable or Outcome.OutOfMemory:
                Check(loses, $"{key}: {operation.Kind} is {answer.Outcome}, though nothing is lost");
                return;
            case Outcome.NotANumber or Outcome.TooLarge:
                Check(current is not null || operation.Kind == OperationKind.Append, $"{key}: {answer.Outcome} where nothing was");
                return;
            case Outcome.Stored:
                break;
            default:
                Check(false, $"{key}: {operation.Kind} is answered with {answer.Outcome}");
                return;
        }

        switch (operation.Kind)
        {
            case OperationKind.Set:
                Check(operation.Condition != Condition.IfVersion || current?.Version == operation.Version, $"{key}: stored over another version");
                Check(operation.Condition != Condition.IfPresent || current is not null, $"{key}: stored where nothing was");
                if (operation.Condition == Condition.IfAbsent)
                {
                    CheckMayBeAbsent(operation, current);
                }

                Wrote(operation, answer.Entry!, operation.Value!);
                break;
            case OperationKind.Append:
                var isNew = answer.Number == operation.Value!.Length && (current is null || current.Value.Length > 0);
                if (isNew)
                {
                    CheckMayBeAbsent(operation, current);
                }

                Check(isNew || current is not null, $"{key}: {answer.Number} bytes after an append of {operation.Value.Length} to nothing");
                Wrote(operation, answer.Entry!, isNew ? operation.Value : [.. current?.Value ?? [], .. operation.Value]);
                break;
            case OperationKind.Increment:
                var isNumber = long.TryParse(Encoding.Latin1.GetString(current?.Value ?? []), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var present);
                if (!isNumber || answer.Number != present + operation.Number)
                {
                    Check(answer.Number == operation.Number, $"{key}: {current} + {operation.Number} = {answer.Number}");
                    CheckMayBeAbsent(operation, current);
                }

                Wrote(operation, answer.Entry!, Encoding.ASCII.GetBytes(answer.Number.ToString(CultureInfo.InvariantCulture)));
                break;
            case OperationKind.Expire:
                Check(current?.Version == answer.Entry!.Version, $"{key}: {answer.Entry} got a TTL; the last was {current}");
                Put(key, current is null || operation.ExpiresAt <= clocks[operation.Partition] ? null : current with { ExpiresAt = operation.ExpiresAt, SlidingMs = 0 });
                break;
        }
    }

    private void Wrote(Asked operation, CopiedEntry entry, byte[] value)
    {
        Check(entry.Version > lastVersions[operation.Partition], $"{operation.Key}: version {entry.Version} after {lastVersions[operation.Partition]}");
        Check(entry.Value.AsSpan().SequenceEqual(value), $"{operation.Key}: other bytes than were written");
        lastVersions[operation.Partition] = entry.Version;
        Put(operation.Key, entry);
    }

    private CopiedEntry? Current(string key) => model.GetValueOrDefault(key);

    /// <summary>Reads that are under way may show it from now on too.</summary>
    private void Put(string key, CopiedEntry? entry)
    {
        if (entry is null)
        {
            model.Remove(key);
        }
        else
        {
            model[key] = entry;
        }

        foreach (var reader in asked.Values.Where(reader => reader.Key == key))
        {
            reader.Seen.Add(entry);
        }
    }

    private void ForgetWhere(int partition, Func<CopiedEntry, bool> isGone)
    {
        foreach (var key in model.Where(pair => PartitionOf(pair.Key) == partition && isGone(pair.Value)).Select(static pair => pair.Key).ToArray())
        {
            Put(key, null);
        }
    }

    private bool MayBeAbsent(int partition, CopiedEntry? entry) => entry is null || entry.ExpiresAt <= Math.Max(clocks[partition], times.Max(static time => time.Milliseconds)) + 60;

    private void CheckMayBeAbsent(Asked operation, CopiedEntry? current) =>
        Check(loses || MayBeAbsent(operation.Partition, current), $"{operation.Key}: {operation.Kind} finds nothing where {current} is, though nothing was lost");

    private static bool Same(CopiedEntry? expected, CopiedEntry? found) =>
        expected is not null && found is not null && expected.Version == found.Version && expected.Value.AsSpan().SequenceEqual(found.Value)
        && (expected.ExpiresAt == found.ExpiresAt || expected.SlidingMs > 0) && expected with { Value = found.Value, SizeBytes = found.SizeBytes, ExpiresAt = found.ExpiresAt } == found;

    private void Reach(string what, int times = 1) => Reached[what] = Reached.GetValueOrDefault(what) + times;

    /// <summary>What happened, for whoever has to find out why.</summary>
    private void Note(int partition, string key, string what)
    {
        lock (gate)
        {
            history.Enqueue((partition, key, $"{step} {key} @{owners[partition]} {clocks[partition] % 1_000_000}/{times[owners[partition]].Milliseconds % 1_000_000} {what}"));
            if (history.Count > HistoryLength)
            {
                history.Dequeue();
            }
        }
    }

    private void Check(bool holds, string what)
    {
        if (!holds)
        {
            var key = what.Split(':')[0];
            var past = history.Where(happened => (happened.Key == key || happened.Key.Length == 0) && happened.Partition == PartitionOf(key)).TakeLast(30);
            problems.Add($"Seed {Seed}, step {step}: {what}.\n  {string.Join("\n  ", past.Select(static happened => happened.What))}");
        }
    }

    /// <summary>An operation that has not been answered.</summary>
    private sealed class Asked(scoped in Operation operation, string key, int partition, byte[]? value)
    {
        public OperationKind Kind { get; } = operation.Kind;

        public string Key { get; } = key;

        public int Partition { get; } = partition;

        public byte[]? Value { get; } = value;

        public LargeValue? Large { get; } = operation.Large;

        public Condition Condition { get; } = operation.Condition;

        public ulong Version { get; } = operation.Version;

        public long ExpiresAt { get; } = operation.ExpiresAt;

        public long Number { get; } = operation.Number;

        public string TagName { get; } = operation.Kind == OperationKind.RemoveByTag ? Encoding.UTF8.GetString(operation.Key) : "";

        public bool HasWaited { get; set; }

        /// <summary>What the key held at some moment since it was submitted.</summary>
        public List<CopiedEntry?> Seen { get; } = [];
    }
}
