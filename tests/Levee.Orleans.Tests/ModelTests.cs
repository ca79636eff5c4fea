using System.Globalization;
using System.Text;
using Levee.Caching;
using Levee.Operations;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>
/// The cluster and a dictionary side by side under random operations of every kind, through all doors, while partitions move all the time. Moves lose nothing and memory is ample, so every answer must be exactly the
/// dictionary's.
/// </summary>
public sealed class ModelTests(ITestOutputHelper output)
{
    private const int Keys = 300;

    private static readonly string[] TagNames = ["red", "green", "blue"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task EveryAnswerIsTheDictionarysWhilePartitionsMove()
    {
        var seed = Environment.TickCount;
        await using var rig = await ClusterRig.StartAsync(silos: 3, partitions: 8);
        await rig.BalancedAsync();
        var model = new Model([rig.Client, .. rig.Cluster.Silos.Select(rig.CacheOn)], seed);
        var isOver = false;
        var moves = 0;
        var movers = Enumerable.Range(1, 3).Select(number => Task.Run(async () =>
        {
            var random = new Random(seed + number);
            for (; !Volatile.Read(ref isOver); Interlocked.Increment(ref moves))
            {
                await rig.MoveAsync(random.Next(8), rig.Cluster.Silos[random.Next(3)]);
            }
        }, Cancellation)).ToArray();
        var steps = Environment.GetEnvironmentVariable("LEVEE_LONG") == "1" ? 100_000 : 6000;
        for (var step = 0; step < steps; step++)
        {
            await model.StepAsync();
            foreach (var mover in movers.Where(mover => mover.IsFaulted))
            {
                await mover;
            }
        }

        Volatile.Write(ref isOver, true);
        await Task.WhenAll(movers).WaitAsync(Eventually.Patience, Cancellation);
        await rig.BalancedAsync();
        await model.CompareAllAsync();
        output.WriteLine($"seed {seed}: {moves} moves, {string.Join(", ", model.Reached.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key} {pair.Value}"))}");
        Assert.True(moves > 20, $"only {moves} moves");
        foreach (var reached in (string[])["Set None Stored", "Set IfAbsent ConditionFailed", "Set IfAbsent Stored", "Set IfPresent ConditionFailed", "Set IfVersion ConditionFailed", "Set IfVersion Stored", "Get hit", "Get miss", "Remove Removed",
            "Remove ConditionFailed", "Increment Stored", "Increment NotANumber", "Append Stored", "Expire Stored", "Expire Miss", "Persist Stored", "Persist ConditionFailed", "Tag", "Clear", "Scan", "Many"])
        {
            Assert.True(model.Reached.ContainsKey(reached), $"seed {seed}: '{reached}' was never reached");
        }
    }

    private sealed record Held(byte[] Value, ulong Version, bool Expires, uint Flags, string ContentType, string[] Tags);

    private sealed class Model(ILeveeCache[] doors, int seed)
    {
        private readonly Random random = new(seed);
        private readonly Dictionary<string, Held> held = new(StringComparer.Ordinal);
        private string what = "";
        private int step;

        public Dictionary<string, int> Reached { get; } = new(StringComparer.Ordinal);

        public async Task StepAsync()
        {
            step++;
            var door = doors[random.Next(doors.Length)];
            var key = $"key:{random.Next(Keys)}";
            what = key;
            switch (random.Next(1000))
            {
                case < 330: await GetAsync(door, key); break;
                case < 600: await SetAsync(door, key); break;
                case < 680: await RemoveAsync(door, key); break;
                case < 740: await IncrementAsync(door, key); break;
                case < 790: await AppendAsync(door, key); break;
                case < 850: await ExpireAsync(door, key); break;
                case < 890: Same(held.ContainsKey(key), await door.TouchAsync(key, Cancellation)); break;
                case < 930: Same(held.ContainsKey(key), await door.ExistsAsync(key, Cancellation)); break;
                case < 970: await ManyAsync(door); break;
                case < 985: await ScanAsync(door, mayMiss: true); break;
                case < 997: await RemoveTagAsync(door); break;
                default: await ClearAsync(door); break;
            }
        }

        public async Task CompareAllAsync()
        {
            foreach (var door in doors)
            {
                await ScanAsync(door, mayMiss: false);
                for (var i = 0; i < Keys; i++)
                {
                    what = $"key:{i}";
                    await GetAsync(door, what);
                }
            }
        }

        private async Task GetAsync(ILeveeCache door, string key)
        {
            var entry = await door.GetEntryAsync(key, Cancellation);
            Reach(entry is null ? "Get miss" : "Get hit");
            var expected = held.GetValueOrDefault(key);
            Same(expected is not null, entry is not null);
            if (entry is not null)
            {
                Same(Convert.ToHexString(expected!.Value), Convert.ToHexString(entry.Value.Span));
                Same((expected.Version, expected.Expires, expected.Flags, expected.ContentType, string.Join(',', expected.Tags)), (entry.Version, entry.ExpiresAt is not null, entry.Flags, entry.ContentType, string.Join(',', entry.Tags)));
            }
        }

        private async Task SetAsync(ILeveeCache door, string key)
        {
            var before = held.GetValueOrDefault(key);
            var condition = random.Next(8) switch { 0 => Condition.IfAbsent, 1 => Condition.IfPresent, 2 => Condition.IfVersion, _ => Condition.None };
            var options = new EntryOptions
            {
                Condition = condition,
                Version = condition == Condition.IfVersion ? random.Next(3) > 0 && before is not null ? before.Version : 7 : 0,
                Ttl = random.Next(4) == 0 ? TimeSpan.FromHours(1) : null,
                KeepTtl = random.Next(8) == 0,
                Flags = (uint)random.Next(3),
                ContentType = random.Next(4) == 0 ? "text/plain" : null,
                Tags = random.Next(4) == 0 ? [TagNames[random.Next(3)]] : null,
            };
            if (options.KeepTtl)
            {
                options = options with { Ttl = null };
            }

            var value = Value();
            var result = await door.SetAsync(key, value, options, Cancellation);
            Reach($"Set {condition} {result.Outcome}");
            var isAllowed = condition switch { Condition.IfAbsent => before is null, Condition.IfPresent => before is not null, Condition.IfVersion => before?.Version == options.Version, _ => true };
            Same(isAllowed ? Outcome.Stored : Outcome.ConditionFailed, result.Outcome);
            if (isAllowed)
            {
                Rises(before, result.Version);
                held[key] = new Held(value, result.Version, options.KeepTtl ? before?.Expires ?? false : options.Ttl is not null, options.Flags, options.ContentType ?? "", [.. options.Tags ?? []]);
            }
            else
            {
                Same(before?.Version ?? 0, result.Version);
            }
        }

        private async Task RemoveAsync(ILeveeCache door, string key)
        {
            if (random.Next(2) == 0)
            {
                Same(held.Remove(key), await door.RemoveAsync(key, Cancellation));
                return;
            }

            var before = held.GetValueOrDefault(key);
            var version = random.Next(2) == 0 && before is not null ? before.Version : 7;
            var result = await door.RemoveAsync(key, version, Cancellation);
            Reach($"Remove {result.Outcome}");
            Same(before is null ? Outcome.Miss : before.Version == version ? Outcome.Removed : Outcome.ConditionFailed, result.Outcome);
            if (result.IsDone)
            {
                held.Remove(key);
            }
        }

        private async Task IncrementAsync(ILeveeCache door, string key)
        {
            var before = held.GetValueOrDefault(key);
            var by = random.Next(-100, 100);
            var result = await door.IncrementAsync(key, by, Cancellation);
            Reach($"Increment {result.Outcome}");
            var isNumber = long.TryParse(Encoding.Latin1.GetString(before?.Value ?? "0"u8), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var present);
            Same(isNumber ? Outcome.Stored : Outcome.NotANumber, result.Outcome);
            if (result.IsDone)
            {
                Same(present + by, result.Value);
                Rises(before, result.Version);
                held[key] = (before ?? new Held([], 0, false, 0, "", [])) with { Value = Encoding.ASCII.GetBytes(result.Value.ToString(CultureInfo.InvariantCulture)), Version = result.Version };
            }
        }

        private async Task AppendAsync(ILeveeCache door, string key)
        {
            var before = held.GetValueOrDefault(key);
            if (before?.Value.Length > 100_000)
            {
                return;
            }

            var added = Encoding.ASCII.GetBytes($"a{random.Next()}");
            var result = await door.AppendAsync(key, added, Cancellation);
            Reach($"Append {result.Outcome}");
            Same(Outcome.Stored, result.Outcome);
            byte[] value = [.. before?.Value ?? [], .. added];
            Same(value.Length, result.Value);
            Rises(before, result.Version);
            held[key] = (before ?? new Held([], 0, false, 0, "", [])) with { Value = value, Version = result.Version };
        }

        /// <summary>TTLs are long, or over at once: what is exact needs no clock.</summary>
        private async Task ExpireAsync(ILeveeCache door, string key)
        {
            var isPersisting = random.Next(2) == 0;
            if (isPersisting && random.Next(2) == 0)
            {
                // Few have a TTL.
                key = held.FirstOrDefault(pair => pair.Value.Expires).Key ?? key;
                what = key;
            }

            var before = held.GetValueOrDefault(key);
            if (isPersisting)
            {
                var persisted = await door.PersistAsync(key, Cancellation);
                Reach($"Persist {persisted.Outcome}");
                Same(before is null ? Outcome.Miss : before.Expires ? Outcome.Stored : Outcome.ConditionFailed, persisted.Outcome);
                if (persisted.IsDone)
                {
                    held[key] = before! with { Expires = false, Version = Math.Max(before.Version, persisted.Version) };
                }

                return;
            }

            var expired = await door.ExpireAsync(key, TimeSpan.FromHours(2), ExpireCondition.None, Cancellation);
            Reach($"Expire {expired.Outcome}");
            Same(before is null ? Outcome.Miss : Outcome.Stored, expired.Outcome);
            if (before is not null)
            {
                held[key] = before with { Expires = true, Version = Math.Max(before.Version, expired.Version) };
            }
        }

        private async Task ManyAsync(ILeveeCache door)
        {
            Reach("Many");
            string[] keys = [.. Enumerable.Range(0, 20).Select(_ => $"key:{random.Next(Keys)}").Distinct()];
            what = "many";
            switch (random.Next(3))
            {
                case 0:
                    var values = await door.GetManyAsync(keys, Cancellation);
                    for (var i = 0; i < keys.Length; i++)
                    {
                        what = keys[i];
                        Same(held.TryGetValue(keys[i], out var expected) ? Convert.ToHexString(expected.Value) : null, values[i] is { } value ? Convert.ToHexString(value) : null);
                    }

                    break;
                case 1:
                    KeyValuePair<string, ReadOnlyMemory<byte>>[] entries = [.. keys.Select(key => new KeyValuePair<string, ReadOnlyMemory<byte>>(key, Value()))];
                    var results = await door.SetManyAsync(entries, default, Cancellation);
                    for (var i = 0; i < keys.Length; i++)
                    {
                        what = keys[i];
                        Same(Outcome.Stored, results[i].Outcome);
                        Rises(held.GetValueOrDefault(keys[i]), results[i].Version);
                        held[keys[i]] = new Held(entries[i].Value.ToArray(), results[i].Version, false, 0, "", []);
                    }

                    break;
                default:
                    Same(keys.Count(held.Remove), await door.RemoveManyAsync(keys, Cancellation));
                    break;
            }
        }

        /// <summary>What is still on its way from another silo is not scanned.</summary>
        private async Task ScanAsync(ILeveeCache door, bool mayMiss)
        {
            Reach("Scan");
            what = "scan";
            var found = new HashSet<string>(StringComparer.Ordinal);
            await foreach (var key in door.ScanAsync("key:1", Cancellation))
            {
                found.Add(key.ToString());
            }

            var expected = held.Keys.Where(key => key.StartsWith("key:1", StringComparison.Ordinal)).ToHashSet(StringComparer.Ordinal);
            Same("", string.Join(' ', found.Except(expected)));
            Same("", mayMiss ? "" : string.Join(' ', expected.Except(found)));
        }

        private async Task RemoveTagAsync(ILeveeCache door)
        {
            Reach("Tag");
            var tag = TagNames[random.Next(3)];
            what = tag;
            await door.RemoveByTagAsync(tag, Cancellation);
            foreach (var key in held.Where(pair => pair.Value.Tags.Contains(tag)).Select(pair => pair.Key).ToList())
            {
                held.Remove(key);
            }
        }

        private async Task ClearAsync(ILeveeCache door)
        {
            Reach("Clear");
            await door.ClearAsync(Cancellation);
            held.Clear();
        }

        private byte[] Value() => random.Next(40) switch
        {
            0 => Enumerable.Range(0, random.Next(8193, 60_000)).Select(i => (byte)(i * 7)).ToArray(),
            < 15 => Encoding.ASCII.GetBytes(random.Next(-1000, 1000).ToString(CultureInfo.InvariantCulture)),
            _ => Encoding.ASCII.GetBytes($"v{random.NextInt64()}"),
        };

        private void Rises(Held? before, ulong version) => Assert.True(version > (before?.Version ?? 0), $"seed {seed}, step {step}, {what}: version {version} after {before?.Version}");

        private void Same<T>(T expected, T found) => Assert.True(EqualityComparer<T>.Default.Equals(expected, found), $"seed {seed}, step {step}, {what}: expected {expected}, found {found}");

        private void Reach(string reached) => Reached[reached] = Reached.GetValueOrDefault(reached) + 1;
    }
}
