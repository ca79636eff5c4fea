using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Levee.Keys;
using Levee.Operations;
using Levee.Partitions;
using Levee.Segments;
using Levee.Testing;
using Levee.Tiers.Redis;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Tiers.Tests.Redis;

/// <summary>A Redis tier over a folder that outlives it, and short words for what tests do with it.</summary>
internal sealed class RedisTierBed : ITierHost, IAsyncDisposable
{
    private static long lastVersion = (long)((ulong)TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() << 16);

    private readonly RedisOptions options;
    private readonly string root = Directory.CreateTempSubdirectory("levee-tier-").FullName;
    private string folder;
    private int lives;
    private readonly long capacityBytes;

    public RedisTierBed(int port, Func<RedisOptions, RedisOptions>? change = null, long capacityBytes = 1L << 30)
    {
        this.capacityBytes = capacityBytes;
        folder = Directory.CreateDirectory(Path.Combine(root, "0")).FullName;
        options = new RedisOptions
        {
            Host = "127.0.0.1",
            Port = port,
            CommandTimeout = TimeSpan.FromMilliseconds(400),
            ConnectTimeout = TimeSpan.FromMilliseconds(800),
            MinBackoff = TimeSpan.FromMilliseconds(10),
            MaxBackoff = TimeSpan.FromMilliseconds(100),
        };
        options = change?.Invoke(options) ?? options;
    }

    public RedisTier Tier { get; private set; } = null!;

    public string CacheName => "tests";

    public int PartitionCount => 4;

    public ConcurrentBag<(int Partition, string Tag, ulong Version)> RecoveredTags { get; } = [];

    public ConcurrentBag<(int Partition, ulong Version)> RecoveredClears { get; } = [];

    public Action<string>? Failpoint { get; set; }

    public TombstoneLogFactory? Tombstones { get; set; }

    public delegate TombstoneLog TombstoneLogFactory(string folder);

    public static ulong NextVersion() => (ulong)Interlocked.Increment(ref lastVersion);

    public static ulong Hash(string key) => KeyHash.Of(Encoding.UTF8.GetBytes(key));

    public static async Task UntilAsync(Func<bool> condition, string what, int seconds = 15)
    {
        var time = TimeProvider.System;
        for (var began = time.GetTimestamp(); !condition();)
        {
            Assert.True(time.GetElapsedTime(began) < TimeSpan.FromSeconds(seconds), $"waited {seconds} s for: {what}");
            await Task.Delay(5);
        }
    }

    public async Task<RedisTier> StartAsync(bool waits = true)
    {
        var context = new TierContext { StateFolder = folder, CapacityBytes = capacityBytes, Logger = NullLogger.Instance, Failpoint = name => Failpoint?.Invoke(name) };
        Tier = Tombstones is { } make ? new RedisTier(options, context, make(folder)) : new RedisTier(options, context);
        await Tier.StartAsync(this, CancellationToken.None);
        if (waits)
        {
            await HealthyAsync();
        }

        return Tier;
    }

    public Task HealthyAsync() => UntilAsync(() => Tier.GetStatistics().Health == TierHealth.Healthy, "the tier is healthy");

    /// <summary>As a crash: nothing that waits is written.</summary>
    public async Task CrashAsync() => await Tier.DisposeAsync();

    /// <summary>
    /// As if the process were killed at this moment: the next tier begins with what the folder holds now, whatever this one still logs when it ends. A failpoint may hold this one up
    /// until then: it is let go when this one sends nothing any more.
    /// </summary>
    public async Task KillAsync(Action? letGo = null)
    {
        var dead = Tier;
        var copy = Path.Combine(root, (++lives).ToString(CultureInfo.InvariantCulture));

        // Not by this process, for which the files are locked.
        using (var copying = Process.Start("cp", ["-r", folder, copy]))
        {
            await copying.WaitForExitAsync();
            Assert.Equal(0, copying.ExitCode);
        }

        var ending = dead.DisposeAsync();
        letGo?.Invoke();
        await ending;
        folder = copy;
    }

    public ulong Put(string key, string value, long expiresAt = Limits.Never, ulong version = 0, params ReadOnlySpan<string> tags)
    {
        version = version == 0 ? NextVersion() : version;
        Tier.Demote(Entry(key, value, version, expiresAt, tags));
        return version;
    }

    /// <summary>Writes through; awaiting what it returns is what comes before the acknowledgement.</summary>
    public Task WriteThrough(string key, string value, long expiresAt = Limits.Never, params ReadOnlySpan<string> tags)
    {
        Assert.True(Tier.TryWriteThrough(Entry(key, value, NextVersion(), expiresAt, tags)), Tier.GetStatistics().Problem);
        return Tier.CommitAsync().AsTask();
    }

    public static TierEntry Entry(string key, string value, ulong version, long expiresAt = Limits.Never, params ReadOnlySpan<string> tags) => new()
    {
        Hash = Hash(key),
        Key = Encoding.UTF8.GetBytes(key),
        Value = Encoding.UTF8.GetBytes(value),
        Version = version,
        ExpiresAt = expiresAt,
        Tags = TestBed.Pack(tags),
    };

    /// <summary>Waits until everything that was demoted lies in Redis, and nothing waits to be deleted there.</summary>
    public Task WrittenAsync() => UntilAsync(() => Tier.IsDrained(), "all is written");

    /// <summary>The value; "-" where there is none; "!" where the tier did not answer.</summary>
    public async Task<string> ReadAsync(string key)
    {
        using var read = await Tier.ReadAsync(Hash(key), Encoding.UTF8.GetBytes(key), CancellationToken.None);
        return Text(read);
    }

    private static string Text(TierRead read)
    {
        if (read.Outcome != TierReadOutcome.Found)
        {
            return read.Outcome == TierReadOutcome.Absent ? "-" : "!";
        }

        Assert.True(TierRecord.IsSound(read.Record));
        Assert.True(TierRecord.TryRead(read.Record, out var entry));
        return Encoding.UTF8.GetString(entry.Value);
    }

    public void Invalidate(string key) => Tier.Invalidate(Hash(key), NextVersion());

    public bool IfTrue<TState>(scoped in TierEntry entry, TState state, Func<TState, bool> action) => action(state);

    public void RecoverTagRemoval(int partition, ReadOnlySpan<byte> tag, ulong version) => RecoveredTags.Add((partition, Encoding.UTF8.GetString(tag), version));

    public void RecoverClear(int partition, ulong version) => RecoveredClears.Add((partition, version));

    public async ValueTask DisposeAsync()
    {
        if (Tier is not null)
        {
            await Tier.DisposeAsync();
        }

        Directory.Delete(root, recursive: true);
    }
}
