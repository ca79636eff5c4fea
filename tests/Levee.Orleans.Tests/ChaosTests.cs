using System.Text;
using Levee.Caching;
using Levee.ClusterLoad;
using Orleans.TestingHost;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>
/// Silos are killed, stopped and added while many write and read through all doors. Each key is a register that may forget: a read gives what was last acknowledged, or a miss; never an older value, nor another key's.
/// </summary>
public sealed class ChaosTests(ITestOutputHelper output)
{
    private const int Workers = 4;
    private const int KeysPerWorker = 60;
    private const int MostSilos = 4;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task NoReadGivesAnOlderValueWhileSilosComeAndGo()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        await using var rig = await ClusterRig.StartAsync(silos: 3, configure: ClusterRig.Failing, client: options => options.CallTimeout = TimeSpan.FromSeconds(1));
        await rig.BalancedAsync();
        var load = new Load(rig, seed);
        var workers = Enumerable.Range(0, Workers).SelectMany(number => new[] { Task.Run(() => load.WriteAsync(number), Cancellation), Task.Run(() => load.ReadAsync(number), Cancellation) }).ToArray();
        var most = Environment.GetEnvironmentVariable("LEVEE_LONG") == "1" ? 60 : 6;
        int kills = 0, stops = 0, starts = 0;
        while (kills + stops + starts < most || kills + stops == 0)
        {
            await load.PassAsync(random.Next(500, 3000), Cancellation);
            var silos = rig.Cluster.Silos;
            switch (random.Next(4))
            {
                case 0 or 1 when silos.Count > 2:
                    await load.EndAsync(silos[random.Next(silos.Count)], rig.Cluster.KillSiloAsync);
                    kills++;
                    break;
                case 2 when silos.Count > 2:
                    await load.EndAsync(silos[random.Next(silos.Count)], rig.Cluster.StopSiloAsync);
                    stops++;
                    break;
                default:
                    if (silos.Count < MostSilos)
                    {
                        load.Opens(await rig.Cluster.StartAdditionalSiloAsync());
                        starts++;
                    }

                    break;
            }
        }

        await rig.BalancedAsync();
        await load.PassAsync(2000, Cancellation);
        await Eventually.HoldsAsync(() => load.Acknowledged > 500 && load.Hits > 500);
        load.Stop();
        await Task.WhenAll(workers).WaitAsync(Eventually.Patience, Cancellation);
        output.WriteLine($"seed {seed}: {kills} killed, {stops} stopped, {starts} started; {load}");
        Assert.True(load.Violations.Count == 0, $"seed {seed}: {string.Join("\n\n", load.Violations.Take(3))}");
    }

    /// <summary>Writers and readers with the history of each key.</summary>
    private sealed class Load
    {
        private readonly KeyHistory[] histories = [.. Enumerable.Range(0, Workers * KeysPerWorker).Select(_ => new KeyHistory())];
        private readonly int seed;
        private readonly Lock gate = new();
        private readonly ILeveeCache client;
        private readonly Dictionary<InProcessSiloHandle, ILeveeCache> doors = [];
        private readonly HashSet<ILeveeCache> ended = [];
        private readonly ClusterRig rig;
        private volatile bool isOver;
        private long operations;
        private long hits;
        private long misses;
        private long acknowledged;
        private long doubtful;
        private long refused;

        public Load(ClusterRig rig, int seed)
        {
            this.rig = rig;
            this.seed = seed;
            client = rig.Client;
            foreach (var silo in rig.Cluster.Silos)
            {
                Opens(silo);
            }
        }

        public List<string> Violations { get; } = [];

        public long Acknowledged => Interlocked.Read(ref acknowledged);

        public long Hits => Interlocked.Read(ref hits);

        public override string ToString() => $"{acknowledged} writes acknowledged, {doubtful} of unknown outcome, {hits} hits, {misses} misses, {refused} refused by doors that stay";

        public void Stop() => isOver = true;

        public void Opens(InProcessSiloHandle silo)
        {
            lock (gate)
            {
                doors[silo] = rig.CacheOn(silo);
            }
        }

        /// <summary>Ends a silo; its own door is asked until it is over, and what it answers must be true.</summary>
        public async Task EndAsync(InProcessSiloHandle silo, Func<InProcessSiloHandle, Task> end)
        {
            lock (gate)
            {
                ended.Add(doors[silo]);
            }

            await end(silo);
            lock (gate)
            {
                doors.Remove(silo);
            }
        }

        /// <summary>Completes when so many more operations have been answered.</summary>
        public Task PassAsync(int count, CancellationToken cancellation)
        {
            var target = Interlocked.Read(ref operations) + count;
            return Eventually.HoldsAsync(() => Interlocked.Read(ref operations) >= target || cancellation.IsCancellationRequested);
        }

        public async Task WriteAsync(int worker)
        {
            var random = new Random(seed + worker);
            while (!isOver)
            {
                var number = (worker * KeysPerWorker) + random.Next(KeysPerWorker);
                var history = histories[number];
                var isDelete = random.Next(8) == 0;
                int version;
                lock (history)
                {
                    version = history.BeginWrite(isDelete, Now());
                }

                var isDone = false;
                var door = Door(random);
                try
                {
                    if (isDelete)
                    {
                        await door.RemoveAsync(Key(number));
                        isDone = true;
                    }
                    else
                    {
                        isDone = (await door.SetAsync(Key(number), Value(number, version, random.Next(40) == 0 ? 20_000 : 0))).IsDone;
                    }
                }
                catch (Exception failure) when (IsAllowed(door, failure))
                {
                    // It may have been done.
                }

                lock (history)
                {
                    if (isDone)
                    {
                        history.Acknowledge(Now());
                    }
                    else
                    {
                        history.Doubt(Now());
                    }
                }

                Interlocked.Increment(ref isDone ? ref acknowledged : ref doubtful);
                Interlocked.Increment(ref operations);
            }
        }

        public async Task ReadAsync(int worker)
        {
            var random = new Random(seed + Workers + worker);
            while (!isOver)
            {
                var number = random.Next(histories.Length);
                var history = histories[number];
                long known;
                lock (history)
                {
                    known = history.BeginRead();
                }

                byte[]? value = null;
                var isAnswered = false;
                var door = Door(random);
                try
                {
                    value = await door.GetAsync(Key(number));
                    isAnswered = true;
                }
                catch (Exception failure) when (IsAllowed(door, failure))
                {
                    // No answer is no lie.
                }

                Judge(number, history, known, value, isAnswered, ReferenceEquals(door, client) ? "the client" : "a silo");
                Interlocked.Increment(ref operations);
            }
        }

        private void Judge(int number, KeyHistory history, long known, byte[]? value, bool isAnswered, string door)
        {
            lock (history)
            {
                if (value is null)
                {
                    history.EndRead(isAnswered, Now());
                    misses++;
                    return;
                }

                hits++;
                var text = Encoding.UTF8.GetString(value).Split(' ');
                var verdict = text[0] == Key(number) ? history.EndRead(int.Parse(text[1], System.Globalization.CultureInfo.InvariantCulture), known, Now()) : Verdict.NeverWritten;
                if (verdict is Verdict.Stale or Verdict.NeverWritten)
                {
                    lock (Violations)
                    {
                        Violations.Add($"{Key(number)} in partition {rig.PartitionOf(Key(number))} by {door}: {verdict}, '{text[0]} {text[1]}'\n{string.Join('\n', history.Describe())}");
                    }
                }
            }
        }

        private ILeveeCache Door(Random random)
        {
            lock (gate)
            {
                var number = random.Next(doors.Count + 1);
                return number == doors.Count ? client : doors.Values.ElementAt(number);
            }
        }

        /// <summary>A silo that goes may refuse in any way; all others say that they could not.</summary>
        private bool IsAllowed(ILeveeCache door, Exception failure)
        {
            lock (gate)
            {
                refused += failure is CacheUnavailableException && !ended.Contains(door) ? 1 : 0;
                return failure is CacheUnavailableException || ended.Contains(door);
            }
        }

        private static string Key(int number) => $"key:{number}";

        private static byte[] Value(int number, int version, int padding) => Encoding.UTF8.GetBytes($"{Key(number)} {version} {new string('x', padding)}");

        private static long Now() => (long)TimeProvider.System.GetElapsedTime(0).TotalNanoseconds;
    }
}
