using System.Runtime.InteropServices;
using System.Text;
using Levee.Codec;
using Levee.Keys;
using Levee.Operations;
using Levee.Partitions;
using Levee.Segments;
using Levee.Testing;
using Levee.Tiers.Segments;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;

namespace Levee.Tiers.Tests.Segments;

/// <summary>A segment tier over a fake store, in a folder of its own, that works when the test says so.</summary>
internal sealed partial class TierRig : IAsyncDisposable
{
    private static readonly string Root = Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"levee-segments-{Environment.ProcessId}");
    private static int folders;
    private readonly string folder;

    public TierRig(FakeSegmentStore? store = null, string? folder = null, ManualTime? time = null)
    {
        Store = store ?? new FakeSegmentStore();
        this.folder = folder ?? NewFolder();
        Time = time ?? new ManualTime();
    }

    public SegmentTierOptions Options { get; init; } = new() { SegmentBytes = 64 << 10, BufferBytes = 256 << 10, RunsLoops = false };

    public long CapacityBytes { get; init; } = 64 << 20;

    public long MaxIndexBytes { get; init; } = 1 << 30;

    public bool Fsync { get; init; }

    /// <summary>By default one that changes nothing, but that entries wait for in the buffer; <see cref="RecordCodec.Plain"/> lets them go straight to the log.</summary>
    public RecordCodec Codec { get; init; } = new TierCodec(new CodecOptions());

    public Action<string>? Failpoint { get; set; }

    public FakeSegmentStore Store { get; }

    public ManualTime Time { get; }

    public TestHost Host { get; init; } = new();

    public string Folder => folder;

    public SegmentTier Tier { get; private set; } = null!;

    public static string NewFolder() => Directory.CreateDirectory(Path.Combine(Root, $"{Interlocked.Increment(ref folders)}")).FullName;

    /// <summary>What a process leaves behind that is killed now.</summary>
    public static string CopyFolder(string from)
    {
        var to = NewFolder();
        foreach (var file in Directory.EnumerateFiles(from))
        {
            // The state is locked against other owners; a copy asks nobody.
            using var source = new FileStream(new SafeFileHandle(Open(file, 0), ownsHandle: true), FileAccess.Read);
            using var target = File.Create(Path.Combine(to, Path.GetFileName(file)));
            source.CopyTo(target);
        }

        return to;
    }

    public async Task<TierRig> StartAsync(bool recovers = true)
    {
        Tier = new SegmentTier(Store, new TierContext
        {
            StateFolder = folder,
            CapacityBytes = CapacityBytes,
            MaxIndexBytes = MaxIndexBytes,
            Fsync = Fsync,
            Codec = Codec,
            Time = Time,
            Logger = NullLogger.Instance,
            Failpoint = moment => Failpoint?.Invoke(moment),
        }, Options);
        await Tier.StartAsync(Host, CancellationToken.None);
        if (recovers)
        {
            await Tier.StepAsync();
        }

        return this;
    }

    /// <summary>Another owner of what this one would leave if it were killed now. This one goes on.</summary>
    public TierRig Killed() => new(Store.Copy(), CopyFolder(folder), Time) { Options = Options, CapacityBytes = CapacityBytes, Fsync = Fsync, Codec = Codec, Host = Host.Successor() };

    public void Demote(string key, string value, ulong version = 1, long expiresAt = Limits.Never, byte[]? tags = null)
    {
        var bytes = Encoding.UTF8.GetBytes(key);
        Tier.Demote(new TierEntry { Hash = KeyHash.Of(bytes), Key = bytes, Value = Encoding.UTF8.GetBytes(value), Version = version, ExpiresAt = expiresAt, Tags = tags });
    }

    public void Invalidate(string key, ulong version = 1) => Tier.Invalidate(HashOf(key), version);

    public static ulong HashOf(string key) => KeyHash.Of(Encoding.UTF8.GetBytes(key));

    /// <summary>The value of a key; null where the tier does not hold it.</summary>
    public async Task<string?> ReadAsync(string key)
    {
        using var read = await Tier.ReadAsync(HashOf(key), Encoding.UTF8.GetBytes(key), CancellationToken.None);
        if (read.Outcome == TierReadOutcome.Failed)
        {
            return "failed";
        }

        return read.Outcome == TierReadOutcome.Found && TierRecord.TryRead(read.Record, out var entry) ? Encoding.UTF8.GetString(entry.Value) : null;
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    public async ValueTask DisposeAsync()
    {
        if (Tier is not null)
        {
            await Tier.DisposeAsync();
        }

        Directory.Delete(folder, recursive: true);
    }
}

/// <summary>Partitions that know nothing but which tags were removed and what was cleared.</summary>
internal sealed class TestHost : ITierHost
{
    private readonly Dictionary<(int Partition, string Tag), ulong> removals = [];
    private readonly Dictionary<int, ulong> clears = [];

    public string CacheName => "test";

    public int PartitionCount => 4;

    public Action<ulong, ulong>? WhenTrue { get; set; }

    public long NowMs { get; set; }

    public int Removals => removals.Count;

    public int Clears => clears.Count;

    public static int PartitionOf(ulong hash) => (int)(hash >> 62);

    public TestHost Successor() => new() { NowMs = NowMs };

    public bool IfTrue<TState>(scoped in TierEntry entry, TState state, Func<TState, bool> action)
    {
        if (!IsTrue(entry))
        {
            return false;
        }

        WhenTrue?.Invoke(entry.Hash, entry.Version);
        return action(state);
    }

    public bool IsTrue(scoped in TierEntry entry)
    {
        var partition = PartitionOf(entry.Hash);
        if (entry.ExpiresAt <= NowMs || (clears.TryGetValue(partition, out var cleared) && entry.Version <= cleared))
        {
            return false;
        }

        var tags = entry.Tags;
        while (TagList.TryRead(ref tags, out var tag))
        {
            if (removals.TryGetValue((partition, Encoding.UTF8.GetString(tag)), out var removed) && entry.Version <= removed)
            {
                return false;
            }
        }

        return true;
    }

    public void RecoverTagRemoval(int partition, ReadOnlySpan<byte> tag, ulong version)
    {
        var key = (partition, Encoding.UTF8.GetString(tag));
        removals[key] = Math.Max(version, removals.GetValueOrDefault(key));
    }

    public void RecoverClear(int partition, ulong version) => clears[partition] = Math.Max(version, clears.GetValueOrDefault(partition));
}
