using Levee.Codec;
using System.Globalization;
using System.Text;
using Levee.Operations;
using Levee.Segments;
using Levee.Testing;
using Levee.Tiers.Segments;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

/// <summary>
/// Partitions in miniature act on a tier at random; a dictionary knows what is true. A read gives that, or nothing. At every dangerous moment more operations come in between, and what a killed process
/// would leave there is opened and read too.
/// </summary>
public sealed class SegmentTierModelTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 16)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task A_read_gives_the_last_value_or_nothing(int seed)
    {
        var model = new Model(seed);
        await model.RunAsync(4000);
        Assert.True(model.Found > 100, $"seed {seed}: only {model.Found} reads found anything");
        Assert.True(model.Crashes > 5, $"seed {seed}: only {model.Crashes} crashes");
        Assert.True(model.Fulls > 5, $"seed {seed}: only {model.Fulls} times the disk was full");
        TestContext.Current.TestOutputHelper?.WriteLine($"full {model.Fulls} times, {model.Marked} lives marked records; found {model.Found}, crashes {model.Crashes}, cleaned {model.Cleaned}, reclaimed {model.Reclaimed}");
    }

    private sealed class Model(int seed)
    {
        private static readonly string[] Tags = ["red", "green", "blue"];
        private readonly Random random = new(seed);
        private readonly string[] keys = [.. Enumerable.Range(0, seed % 2 == 0 ? 60 : 900).Select(static i => $"key-{i}")];
        private readonly Dictionary<string, Truth> truths = [];
        private readonly Dictionary<string, Resident> residents = [];
        private readonly List<string> log = [];
        private TierRig rig = null!;
        private ulong version = 1;
        private int depth;
        private bool isFull;
        private (TierRig Rig, Dictionary<string, Truth> Truths, string Moment)? killed;

        public int Found { get; private set; }

        public int Crashes { get; private set; }

        /// <summary>How often no segment could be created.</summary>
        public int Fulls { get; private set; }

        /// <summary>How many lives have marked records void, for want of room for tombstones.</summary>
        public int Marked { get; private set; }

        public long Cleaned { get; private set; }

        public long Reclaimed { get; private set; }

        public async Task RunAsync(int steps)
        {
            var codec = seed % 2 == 0 ? RecordCodec.Plain : new TierCodec(new CodecOptions());
            rig = Configure(new TierRig { Options = Options(), CapacityBytes = 384 << 10, Codec = codec });
            await rig.StartAsync(recovers: false);
            try
            {
                for (var step = 0; step < steps; step++)
                {
                    await ActAsync();
                    await CheckKilledAsync();
                }
            }
            catch (Exception failure)
            {
                throw new InvalidOperationException($"seed {seed}: {failure.Message}\n{string.Join('\n', log.TakeLast(400))}", failure);
            }
            finally
            {
                await rig.DisposeAsync();
            }
        }

        private SegmentTierOptions Options() =>
            new() { SegmentBytes = 64 << 10, BufferBytes = 128 << 10, RunsLoops = false, MaxStaged = 3, MaxCarryOver = random.Next(2) == 0 ? 0.5 : 0.9, CleanBelow = seed % 4 < 2 ? 0.25 : 0.9, CleanWhenOldestAbove = seed % 4 < 2 ? 0.5 : 0.02 };

        private TierRig Configure(TierRig made)
        {
            made.Failpoint = OnMoment;
            made.Host.NowMs = made.Time.Milliseconds;
            made.Host.WhenTrue = (hash, found) =>
            {
                var key = keys.First(key => TierRig.HashOf(key) == hash);
                if (truths.GetValueOrDefault(key)?.Version != found)
                {
                    throw new InvalidOperationException($"{key}: version {found} is carried over, true is {truths.GetValueOrDefault(key)}");
                }
            };
            return made;
        }

        private void OnMoment(string moment)
        {
            log.Add($"  at {moment}");
            if (moment == "create:segment")
            {
                if (isFull)
                {
                    Fulls++;
                    throw new IOException("the disk is full");
                }

                return; // Under the tier's lock, or beside it.
            }

            // What is not committed nobody was told: a killed process may have it either way.
            if (killed is null && rig.Tier.IsCommitted && random.Next(moment.StartsWith("rotate", StringComparison.Ordinal) ? 30 : 12) == 0)
            {
                killed = (rig.Killed(), new Dictionary<string, Truth>(truths), moment);
            }

            // Under the tier's lock nobody else can act.
            if (depth == 0 && !moment.StartsWith("rotate", StringComparison.Ordinal))
            {
                depth++;
                for (var count = random.Next(6); count > 0; count--)
                {
                    Change();
                }

                depth--;
            }
        }

        private async Task CheckKilledAsync()
        {
            if (killed is not { } left)
            {
                return;
            }

            log.Add($"  checking what was left at {left.Moment}");
            Crashes++;
            var host = left.Rig.Host;
            host.NowMs = rig.Time.Milliseconds;
            await left.Rig.StartAsync();
            foreach (var key in keys)
            {
                await CheckAsync(left.Rig, key, left.Truths.GetValueOrDefault(key), $"killed at {left.Moment}");
            }

            left.Rig.Tier.Log.CheckInvariants();
            await left.Rig.DisposeAsync();
            killed = null;
        }

        private async Task ActAsync()
        {
            switch (random.Next(100))
            {
                case < 70:
                    Change();
                    break;
                case < 88:
                    await ReadAsync(Any());
                    break;
                case < 97:
                    log.Add("step");
                    await rig.Tier.StepAsync();
                    rig.Tier.Log.CheckInvariants();
                    break;
                case 97:
                    rig.Time.Advance(random.Next(20_000));
                    rig.Host.NowMs = rig.Time.Milliseconds;
                    break;
                case 98 when random.Next(3) > 0:
                    isFull = !isFull && random.Next(2) == 0;
                    log.Add($"full: {isFull}");
                    break;
                default:
                    await RestartAsync(random.Next(2) == 0);
                    break;
            }
        }

        private void Change()
        {
            var key = Any();
            switch (random.Next(100))
            {
                case < 45:
                    Set(key);
                    break;
                case < 55:
                    Delete(key);
                    break;
                case < 95:
                    Evict(key);
                    break;
                case < 98:
                    RemoveTag(TestHost.PartitionOf(TierRig.HashOf(key)), Tags[random.Next(Tags.Length)]);
                    break;
                default:
                    Clear(TestHost.PartitionOf(TierRig.HashOf(key)));
                    break;
            }
        }

        /// <summary>Few keys are written all the time and many now and then, so that segments in the middle die before the oldest.</summary>
        private string Any() => keys[(int)(keys.Length * Math.Pow(random.NextDouble(), seed % 2 == 0 ? 1 : 4))];

        private void Void(string key)
        {
            var hash = TierRig.HashOf(key);
            if (residents.TryGetValue(key, out var resident) ? resident.IsBelow : rig.Tier.MayHold(hash))
            {
                rig.Tier.Invalidate(hash, version);
            }
        }

        private void Set(string key)
        {
            Void(key);
            version++;
            var value = string.Create(CultureInfo.InvariantCulture, $"{key}={version}:") + new string('v', random.Next(20) == 0 ? 9000 : random.Next(3000));
            var expiresAt = random.Next(4) == 0 ? rig.Time.Milliseconds + random.Next(60_000) : Limits.Never;
            var tags = random.Next(3) == 0 ? TestBed.Pack(Tags[random.Next(Tags.Length)]) : [];
            truths[key] = new Truth(version, value, expiresAt, tags);
            residents[key] = new Resident(truths[key], IsBelow: false);
            log.Add($"set {key} {version} expires {expiresAt - rig.Time.Milliseconds} tags {tags.Length}");
        }

        private void Delete(string key)
        {
            log.Add($"delete {key}");
            Void(key);
            truths.Remove(key);
            residents.Remove(key);
        }

        private void Evict(string key)
        {
            if (!residents.TryGetValue(key, out var resident))
            {
                return;
            }

            var hash = TierRig.HashOf(key);
            log.Add($"evict {key} {resident.Truth.Version} below {resident.IsBelow}");
            if (resident.Truth.ExpiresAt > rig.Time.Milliseconds && !(resident.IsBelow && random.Next(4) > 0 && rig.Tier.Keep(hash)))
            {
                rig.Demote(key, resident.Truth.Value, resident.Truth.Version, resident.Truth.ExpiresAt, resident.Truth.Tags);
            }

            residents.Remove(key);
        }

        private void RemoveTag(int partition, string tag)
        {
            version++;
            log.Add($"remove tag {tag} in {partition} at {version}");
            if (!rig.Tier.RemoveByTag(partition, Encoding.UTF8.GetBytes(tag), version))
            {
                log.Add("  refused");
                return;
            }

            rig.Host.RecoverTagRemoval(partition, Encoding.UTF8.GetBytes(tag), version);
            DropDead(partition, truth => truth.Tags.AsSpan().SequenceEqual(TestBed.Pack(tag)));
        }

        private void Clear(int partition)
        {
            version++;
            log.Add($"clear {partition} at {version}");
            if (!rig.Tier.Clear(partition, version))
            {
                log.Add("  refused");
                return;
            }

            rig.Host.RecoverClear(partition, version);
            DropDead(partition, static _ => true);
        }

        private void DropDead(int partition, Func<Truth, bool> isDead)
        {
            foreach (var key in keys.Where(key => TestHost.PartitionOf(TierRig.HashOf(key)) == partition && truths.TryGetValue(key, out var truth) && isDead(truth)))
            {
                truths.Remove(key);
                residents.Remove(key);
            }
        }

        private async Task ReadAsync(string key)
        {
            log.Add($"read {key}");
            if (residents.ContainsKey(key) || !rig.Tier.MayHold(TierRig.HashOf(key)))
            {
                return;
            }

            var found = await CheckAsync(rig, key, truths.GetValueOrDefault(key), "in service");
            if (found && random.Next(3) > 0)
            {
                log.Add($"promote {key}");
                rig.Tier.Promoted(TierRig.HashOf(key));
                residents[key] = new Resident(truths[key], IsBelow: true);
            }
        }

        private async Task<bool> CheckAsync(TierRig of, string key, Truth? truth, string when)
        {
            using var read = await of.Tier.ReadAsync(TierRig.HashOf(key), Encoding.UTF8.GetBytes(key), CancellationToken.None);
            if (read.Outcome != TierReadOutcome.Found)
            {
                return false;
            }

            Assert.True(TierRecord.TryRead(read.Record, out var entry));
            if (!of.Host.IsTrue(entry))
            {
                of.Tier.Forget(entry.Hash);
                return false;
            }

            if (truth is null || truth.Version != entry.Version || truth.Value != Encoding.UTF8.GetString(entry.Value))
            {
                throw new InvalidOperationException($"{when}: {key} gave version {entry.Version} '{Encoding.UTF8.GetString(entry.Value)[..12]}', true is {truth?.Version.ToString(CultureInfo.InvariantCulture) ?? "nothing"}");
            }

            Found++;
            return true;
        }

        private async Task RestartAsync(bool isClean)
        {
            log.Add($"restart, clean: {isClean}");
            if (!rig.Tier.IsCommitted)
            {
                await rig.Tier.StepAsync();
                Assert.True(rig.Tier.IsCommitted, "recovery has come across everything");
            }

            Marked += rig.Tier.Log.State.HasVoids ? 1 : 0;
            TierRig next;
            if (isClean)
            {
                await rig.Tier.StopAsync(CancellationToken.None);
                next = rig.Killed();
            }
            else
            {
                next = rig.Killed();
            }

            Cleaned += rig.Tier.Log.Counters.Cleaned;
            Reclaimed += rig.Tier.Log.Counters.Reclaimed;
            await rig.DisposeAsync();
            residents.Clear();
            rig = Configure(next);
            await rig.StartAsync(recovers: random.Next(2) == 0);
        }

        private sealed record Truth(ulong Version, string Value, long ExpiresAt, byte[] Tags);

        private sealed record Resident(Truth Truth, bool IsBelow);
    }
}
