using System.Globalization;
using System.Text;
using Levee.Hosting;
using Levee.Operations;
using Levee.Testing;

namespace Levee.Tests.Moves;

/// <summary>
/// A partition that several silos claim at once, while leases lapse and come back, silos die or are declared dead and live, claims are
/// broken off and copies are dropped. The hosts are real; the record of
/// ownership, the membership and the claims are this model's, with the steps of PartitionClaims in any order that messages may bring. At
/// most one host may serve, and nobody may show what was overwritten.
/// </summary>
internal sealed class OwnersModel(int seed, bool leaseHidesContents) : IAsyncDisposable
{
    private const string Key = "key";
    private const int MostSilos = 7;

    private readonly Random random = new(seed);
    private readonly List<Silo> silos = [];
    private readonly List<int> deaths = [];
    private readonly List<IAsyncEnumerator<string>> claims = [];
    private (long Epoch, int Owner, int[] Predecessors) record = (0, -1, []);
    private int written;
    private ulong lastVersion;

    /// <summary>What happened, and how often.</summary>
    public SortedDictionary<string, int> Reached { get; } = new(StringComparer.Ordinal);

    /// <summary>The first thing that was wrong; null: nothing.</summary>
    public string? Lie { get; private set; }

    public async Task RunAsync(int steps)
    {
        for (var i = 0; i < 3; i++)
        {
            Join();
        }

        for (var step = 0; step < steps && Lie is null; step++)
        {
            await StepAsync();
            await CheckAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var claim in claims)
        {
            await claim.DisposeAsync();
        }

        foreach (var silo in silos)
        {
            await silo.Host.DisposeAsync();
        }
    }

    private async Task StepAsync()
    {
        var silo = silos[random.Next(silos.Count)];
        switch (random.Next(20))
        {
            case < 3 when claims.Count < 3 && !silo.IsKilled:
                claims.Add(ClaimAsync(silos.IndexOf(silo)).GetAsyncEnumerator());
                break;
            case < 11 when claims.Count > 0:
                await GoOnAsync(claims[random.Next(claims.Count)]);
                break;
            case 11 when claims.Count > 0:
                await EndAsync(claims[random.Next(claims.Count)]);
                Reach("a claim is broken off");
                break;
            case 12 or 13 when !silo.IsDead:
                silo.Host.LeaseUntil = 0;
                break;
            case 14 or 15 when !silo.IsDead && !silo.IsKilled:
                silo.Host.LeaseUntil = long.MaxValue;
                break;
            case 16 when silos.Count < MostSilos && !silo.IsDead && silos.Count(other => !other.IsDead) > 1:
                silo.IsKilled = random.Next(2) == 0;
                silo.Host.LeaseUntil = 0;
                silo.IsDead = true;
                deaths.Add(silos.IndexOf(silo));
                Reach(silo.IsKilled ? "a silo dies" : "a silo is declared dead and lives");
                Join();
                break;
            case 17 when silo.Host.Partitions.FirstOrDefault(copy => copy.State == PartitionState.Frozen) is { } idle && random.Next(3) == 0:
                silo.Host.Drop(0, idle.Epoch);
                Reach("a copy is dropped");
                break;
            case 18:
                silo.SeenDeaths = random.Next(silo.SeenDeaths, deaths.Count + 1);
                break;
            default:
                Write(silo.Host);
                break;
        }
    }

    private void Join() => silos.Add(new Silo(new LockHost(
        new CacheOptions { MemoryBytes = 16L << 20, Partitions = 1 },
        TimeProvider.System,
        seed: 1,
        maintains: false,
        opens: false,
        moves: new MoveOptions { FreezeWait = TimeSpan.FromMilliseconds(1), Attempts = 1, RetryDelay = TimeSpan.FromMilliseconds(1) })));

    private async Task GoOnAsync(IAsyncEnumerator<string> claim)
    {
        if (await claim.MoveNextAsync())
        {
            Reach(claim.Current);
        }
        else
        {
            await EndAsync(claim);
        }
    }

    private async Task EndAsync(IAsyncEnumerator<string> claim)
    {
        claims.Remove(claim);
        await claim.DisposeAsync();
    }

    /// <summary>A claim as PartitionClaims makes it, with a pause wherever a message is under way.</summary>
    private async IAsyncEnumerable<string> ClaimAsync(int self)
    {
        var host = silos[self].Host;
        if (record.Owner == self && host.IsHere(0))
        {
            yield break;
        }

        var epoch = record.Epoch + 1;
        int[] predecessors = record.Owner < 0 ? [] : [.. record.Predecessors.Append(record.Owner).Distinct()];
        record = (epoch, self, predecessors);
        yield return "a claim is written";
        var answers = new FreezeAnswer?[predecessors.Length];
        var isAnswered = new bool[predecessors.Length];
        int? chosen = null;
        while (isAnswered.Contains(false))
        {
            var place = Enumerable.Range(0, predecessors.Length).Where(i => !isAnswered[i]).OrderBy(_ => random.Next()).First();
            answers[place] = SeesDead(self, predecessors[place]) ? null : await AskAsync(predecessors[place], epoch);
            isAnswered[place] = answers[place] is null or { Outcome: FreezeOutcome.Frozen or FreezeOutcome.NotHere };
            yield return answers[place] is { } answer ? $"an owner answers {answer.Outcome}" : "an owner is dead";
            if (answers[place] is { Outcome: FreezeOutcome.Refused })
            {
                yield break;
            }

            chosen = isAnswered.Contains(false) ? null : Choose(answers);
            if (chosen is { } copy && predecessors[copy] != self && SeesDead(self, predecessors[copy]))
            {
                isAnswered[copy] = false;
                yield return "an owner dies after it has answered";
            }
        }

        var opened = TryOpen(self, epoch, predecessors, answers, chosen);
        yield return opened;
        if (opened == "a claim is overtaken")
        {
            yield break;
        }

        if (record.Epoch == epoch)
        {
            record = (epoch, self, []);
        }
    }

    /// <summary>As it was before there were three answers: any copy, whoever is dead.</summary>
    private int? Choose(FreezeAnswer?[] answers)
    {
        var first = Array.FindIndex(answers, answer => answer?.Header is not null);
        return !leaseHidesContents ? Succession.Choose(answers) : first < 0 ? null : first;
    }

    private string TryOpen(int self, long epoch, int[] predecessors, FreezeAnswer?[] answers, int? chosen)
    {
        var host = silos[self].Host;
        try
        {
            if (chosen is not { } place)
            {
                host.Open(0, epoch, predecessors.Select(owner => silos[owner].Host.ReachedMs).DefaultIfEmpty().Max());
                return answers.Any(answer => answer?.Header is not null) ? "opened empty beside a copy" : "opened empty";
            }

            var copy = answers[place]!;
            host.Open(0, epoch, copy, new ControlledSource(silos[predecessors[place]].Host, 0, copy.CopyEpoch) { AnswersAtOnce = random.Next(3) > 0 });
            return copy.CopyEpoch < epoch ? "opened from an older claim's copy" : copy.IsCurrent ? "opened from a copy" : "opened from a copy that had no lease";
        }
        catch (InvalidOperationException)
        {
            return "a claim is overtaken";
        }
    }

    private async Task<FreezeAnswer> AskAsync(int owner, long epoch)
    {
        var host = silos[owner].Host;
        if (silos[owner].IsKilled)
        {
            return new FreezeAnswer { Outcome = FreezeOutcome.CannotSay, Reason = "no connection" };
        }

        // As it was before there were three answers: without a lease the slot served on, and the answer was nothing.
        return leaseHidesContents && host.LeaseUntil == 0 ? new FreezeAnswer { Outcome = FreezeOutcome.NotHere } : await host.FreezeAsync(0, epoch);
    }

    private bool SeesDead(int self, int owner) => deaths.IndexOf(owner) is >= 0 and var death && death < silos[self].SeenDeaths;

    private void Write(LockHost host)
    {
        var sink = new CopyingSink();
        var set = TestBed.On(Key, OperationKind.Set);
        set.Value = Encoding.ASCII.GetBytes((written + 1).ToString(CultureInfo.InvariantCulture));
        if (host.TrySubmit(set, sink, 1) && sink.Last.Outcome == Outcome.Stored)
        {
            written++;
            Lie ??= sink.Last.Entry!.Version > lastVersion ? null : $"version {sink.Last.Entry.Version} after {lastVersion}";
            lastVersion = sink.Last.Entry!.Version;
            Reach("written");
        }
    }

    private async Task CheckAsync()
    {
        var serving = silos.Where(silo => !silo.IsKilled && silo.Host.IsOpen(0)).ToList();
        Lie ??= serving.Count > 1 ? $"{serving.Count} silos serve" : null;
        foreach (var silo in serving)
        {
            var sink = new Clustering.WaitingSink();
            if (silo.Host.TrySubmit(TestBed.On(Key, OperationKind.Peek), sink, 1) && sink.Of(1) is { IsCompleted: true } answer)
            {
                var read = await answer;
                var value = read.Entry is null ? "" : Encoding.ASCII.GetString(read.Entry.Value);
                Reach(value.Length > 0 ? "read" : "missed");
                Lie ??= value.Length == 0 || value == written.ToString(CultureInfo.InvariantCulture) ? null : $"{value} was read, {written} was written";
            }
        }
    }

    private void Reach(string what) => Reached[what] = Reached.GetValueOrDefault(what) + 1;

    private sealed class Silo(LockHost host)
    {
        public LockHost Host => host;

        /// <summary>Its process is gone.</summary>
        public bool IsKilled { get; set; }

        /// <summary>It was declared dead, and its lease is over for good.</summary>
        public bool IsDead { get; set; }

        /// <summary>How many deaths it knows of, in their order.</summary>
        public int SeenDeaths { get; set; }
    }
}
