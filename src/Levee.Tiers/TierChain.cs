using Levee.Codec;
using Levee.Operations;
using Levee.Partitions;
using Levee.Segments;
using Microsoft.Extensions.Logging;

namespace Levee.Tiers;

/// <summary>
/// The tiers of one cache, warmest first, as its partitions see them. A new entry goes to the first; what a tier has no more room for goes to the one below; a miss looks down the chain.
/// A key may lie in several tiers, then with the same version: whatever makes it void is told to all that may hold it.
/// </summary>
public sealed partial class TierChain : ITierChain, ITierHost, IAsyncDisposable
{
    private const int RoomAttempts = 20;
    private static readonly TimeSpan RoomDelay = TimeSpan.FromMilliseconds(50);

    private readonly ITier[] tiers;
    private readonly ILogger logger;
    private readonly TimeProvider time;
    private readonly CancellationTokenSource stopping = new();
    private readonly Lock attaching = new();
    private readonly List<Action<IEffectHost>> beforeAttached = [];
    private readonly AheadLoads ahead = new(AheadLoads.DefaultRunning);
    private volatile IEffectHost? attached;

    /// <param name="cacheName">The cache's name.</param>
    /// <param name="partitionCount">How many partitions the cache has.</param>
    /// <param name="tiers">At least one, the warmest first. The chain owns them.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where failures are logged.</param>
    public TierChain(string cacheName, int partitionCount, IEnumerable<ITier> tiers, TimeProvider time, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(tiers);
        CacheName = cacheName;
        PartitionCount = partitionCount;
        this.tiers = [.. tiers];
        this.time = time;
        this.logger = logger;
        ArgumentOutOfRangeException.ThrowIfZero(this.tiers.Length, nameof(tiers));
        for (var i = 0; i + 1 < this.tiers.Length; i++)
        {
            this.tiers[i].Below = this.tiers[i + 1];
        }
    }

    /// <inheritdoc/>
    public string CacheName { get; }

    /// <summary>Most loads at a time that nobody waits for: fewer while others are under way, at least one. From 1 on.</summary>
    public int MaxAheadLoads
    {
        get => ahead.MaxRunning;
        init => ahead = new AheadLoads(value);
    }

    /// <summary>Loads that nobody waits for yet and that wait for their turn.</summary>
    public int WaitingAheadLoads => ahead.Waiting;

    /// <inheritdoc/>
    public int PartitionCount { get; }

    /// <summary>What compresses and encrypts for all of them.</summary>
    public RecordCodec Codec { get; init; } = RecordCodec.Plain;

    /// <summary>The tiers, warmest first.</summary>
    public IReadOnlyList<ITier> Tiers => tiers;

    /// <inheritdoc/>
    public int TierCount => tiers.Length;

    /// <inheritdoc/>
    public long IndexBytes => tiers.Sum(static tier => tier.GetStatistics().IndexBytes);

    /// <inheritdoc/>
    public long FloorMs => tiers.Max(static tier => tier.FloorMs);

    /// <inheritdoc/>
    public long HoldsFromMs => tiers.Min(static tier => tier.HoldsFromMs);

    /// <inheritdoc/>
    public bool IsCommitted
    {
        get
        {
            foreach (var tier in tiers)
            {
                if (!tier.IsCommitted)
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>Starts all tiers. Then the host is made, which calls <see cref="Attach"/>.</summary>
    /// <exception cref="TierException">A tier cannot be used.</exception>
    public async Task StartAsync(CancellationToken cancellation)
    {
        foreach (var tier in tiers)
        {
            await tier.StartAsync(this, cancellation).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public void Attach(IEffectHost host)
    {
        lock (attaching)
        {
            beforeAttached.ForEach(tell => tell(host));
            beforeAttached.Clear();
            attached = host;
        }
    }

    /// <inheritdoc/>
    public bool HasRoom => tiers[0].HasRoom;

    /// <inheritdoc/>
    public void Approach(ulong hash) => tiers[0].Approach(hash);

    /// <inheritdoc/>
    public bool MayHold(ulong hash)
    {
        foreach (var tier in tiers)
        {
            if (tier.MayHold(hash))
            {
                return true;
            }
        }

        return false;
    }

    /// <inheritdoc/>
    public void Demote(scoped in TierEntry entry) => tiers[0].Demote(entry);

    /// <summary>Only the first tier counts: what lies further down alone is better taken into the first again, since it was used.</summary>
    public bool Keep(ulong hash) => tiers[0].Keep(hash);

    /// <summary>What was not used has no reason to come to a warmer tier; but the tier that holds it must know that the copy above is gone, or leaves the entry behind when it reclaims its segment.</summary>
    public bool KeepUnused(ulong hash)
    {
        foreach (var tier in tiers)
        {
            if (tier.Keep(hash))
            {
                return true;
            }
        }

        return false;
    }

    /// <inheritdoc/>
    public void Promoted(ulong hash)
    {
        foreach (var tier in tiers)
        {
            tier.Promoted(hash);
        }
    }

    /// <inheritdoc/>
    public bool TryWriteThrough(scoped in TierEntry entry)
    {
        if (!tiers[0].TryWriteThrough(entry))
        {
            return false;
        }

        for (var i = 1; i < tiers.Length; i++)
        {
            // The same version too: what is written may be its new TTL.
            tiers[i].Invalidate(entry.Hash, entry.Version);
        }

        return true;
    }

    /// <inheritdoc/>
    public void Invalidate(ulong hash, ulong version)
    {
        foreach (var tier in tiers)
        {
            tier.Invalidate(hash, version);
        }
    }

    /// <inheritdoc/>
    public void Forget(ulong hash)
    {
        foreach (var tier in tiers)
        {
            tier.Forget(hash);
        }
    }

    /// <inheritdoc/>
    public bool RemoveByTag(int partition, ReadOnlySpan<byte> tag, ulong version)
    {
        foreach (var tier in tiers)
        {
            if (!tier.RemoveByTag(partition, tag, version))
            {
                return false;
            }
        }

        return true;
    }

    /// <inheritdoc/>
    public bool Clear(int partition, ulong version)
    {
        foreach (var tier in tiers)
        {
            if (!tier.Clear(partition, version))
            {
                return false;
            }
        }

        return true;
    }

    /// <inheritdoc/>
    public void Reserve(long untilMs)
    {
        foreach (var tier in tiers)
        {
            tier.Reserve(untilMs);
        }
    }

    /// <inheritdoc/>
    public async ValueTask CommitAsync()
    {
        foreach (var tier in tiers)
        {
            if (!tier.IsCommitted)
            {
                await tier.CommitAsync().ConfigureAwait(false);
            }
        }
    }

    /// <inheritdoc/>
    public Task DrainAsync(CancellationToken cancellation) => tiers[0].DrainAsync(cancellation);

    /// <inheritdoc/>
    public ValueTask<long> ScanAsync(int tier, long position, TierEntryVisitor visit) => tiers[tier].ScanAsync(position, visit, stopping.Token);

    /// <inheritdoc/>
    public TierStatistics GetStatistics(int tier) => tiers[tier].GetStatistics() with
    {
        Name = tiers[tier].Name,
        Kind = tiers[tier].Kind,
        Codec = tier == 0 ? Codec.Statistics : null,
    };

    /// <inheritdoc/>
    public IReadOnlyList<TierPlace> Explain(ulong hash) => [.. tiers.Select(tier => tier.Explain(hash)).OfType<TierPlace>()];

    /// <inheritdoc/>
    public void Run(IEffectHost host, int partition, Effect effect)
    {
        var load = new AheadLoad(host, partition, effect);
        switch (effect.Kind)
        {
            case EffectKind.Load when !effect.IsPrefetch:
                _ = LoadNowAsync(load);
                return;
            case EffectKind.Load:
                if (!ahead.TryAdd(load, out var isWanted))
                {
                    Drop(load);
                }
                else if (isWanted)
                {
                    _ = LoadNowAsync(load);
                }

                StartAhead();
                return;
            case EffectKind.RaiseLoad:
                if (ahead.TryRaise(partition, effect.Ticket, out var raised))
                {
                    _ = LoadNowAsync(raised);
                }

                return;
            case EffectKind.CancelLoad:
                if (ahead.TryTake(partition, effect.Ticket, out var cancelled))
                {
                    Drop(cancelled);
                }

                return;
        }
    }

    /// <summary>Before there is a host nothing can be vouched for, and so nothing is true.</summary>
    bool ITierHost.IfTrue<TState>(scoped in TierEntry entry, TState state, Func<TState, bool> action) => attached?.HoldIfTrue(entry, state, action) ?? false;

    void ITierHost.RecoverTagRemoval(int partition, ReadOnlySpan<byte> tag, ulong version)
    {
        var removed = tag.ToArray();
        Tell(host => host.Hold(partition, (Tag: removed, Version: version), static (held, state) =>
        {
            held.RecoverTagRemoval(state.Tag, state.Version);
            return true;
        }));
    }

    void ITierHost.RecoverClear(int partition, ulong version) =>
        Tell(host => host.Hold(partition, version, static (held, version) =>
        {
            held.RecoverClear(version);
            return true;
        }));

    /// <summary>Stops all tiers cleanly, the warmest first, so that they are warm when they are opened again. What one of them cannot do keeps none of the others from it.</summary>
    /// <returns>What could not be done, a sentence for each tier that failed.</returns>
    public async Task<IReadOnlyList<string>> StopAsync(CancellationToken cancellation)
    {
        var problems = new List<string>();
        foreach (var tier in tiers)
        {
            try
            {
                await tier.StopAsync(cancellation).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                problems.Add($"{tier.Name} did not stop cleanly: {failure.Message}");
            }
        }

        return problems;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        foreach (var load in ahead.Close())
        {
            Drop(load);
        }

        foreach (var tier in tiers)
        {
            await tier.DisposeAsync().ConfigureAwait(false);
        }

        stopping.Dispose();
    }

    /// <summary>Recovery may be ahead of the host, by the moment that it takes to make one; then the host hears of it before it is asked for anything.</summary>
    private void Tell(Action<IEffectHost> tell)
    {
        lock (attaching)
        {
            if (attached is null)
            {
                beforeAttached.Add(tell);
                return;
            }
        }

        tell(attached);
    }

    private static void Drop(AheadLoad load) => load.Host.Complete(load.Partition, load.Effect.Ticket, new LoadResult { Outcome = LoadOutcome.Dropped });

    /// <summary>Loads what somebody waits for.</summary>
    private async Task LoadNowAsync(AheadLoad load)
    {
        ahead.BeginDemand();
        await LoadAsync(load.Host, load.Partition, load.Effect).ConfigureAwait(false);
        if (ahead.EndDemand())
        {
            StartAhead();
        }
    }

    /// <summary>Starts loads that nobody waits for, as many as may run now. One that ends at once makes room for the next, here and not in its own frame: there may be thousands.</summary>
    private void StartAhead()
    {
        while (ahead.TryStart(out var load))
        {
            var loading = LoadAsync(load.Host, load.Partition, load.Effect);
            if (loading.IsCompletedSuccessfully)
            {
                ahead.End(load);
            }
            else
            {
                _ = EndAheadAsync(load, loading);
            }
        }
    }

    private async Task EndAheadAsync(AheadLoad load, Task loading)
    {
        await loading.ConfigureAwait(false);
        ahead.End(load);
        StartAhead();
    }

    /// <summary>Looks for a key down the chain. Runs through without a wait where the tiers know at once.</summary>
    private async Task LoadAsync(IEffectHost host, int partition, Effect effect)
    {
        var failed = false;
        var key = effect.IsByHash ? default(ReadOnlyMemory<byte>?) : effect.Key;
        try
        {
            for (var i = 0; i < tiers.Length; i++)
            {
                using var read = await tiers[i].ReadAsync(effect.Hash, key, stopping.Token).ConfigureAwait(false);
                if (read.Outcome == TierReadOutcome.Found && await TryCompleteAsync(host, partition, effect, read, isDear: i > 0 || tiers[i].Kind != "file").ConfigureAwait(false))
                {
                    return;
                }

                failed |= read.Outcome != TierReadOutcome.Absent;
            }
        }
        catch (OperationCanceledException)
        {
            failed = true;
        }
        catch (Exception unexpected) when (unexpected is not OutOfMemoryException)
        {
            // A tier's read does not throw; should one do so, the partition's waiters must not wait for ever.
            LogUnexpected(unexpected);
            failed = true;
        }

        host.Complete(partition, effect.Ticket, new LoadResult { Outcome = failed ? LoadOutcome.Failed : LoadOutcome.NotFound });
    }

    private async ValueTask<bool> TryCompleteAsync(IEffectHost host, int partition, Effect effect, TierRead read, bool isDear)
    {
        if (IsInline(read))
        {
            var isEntry = TierRecord.TryRead(read.Record, out var entry);
            host.Complete(partition, effect.Ticket, new LoadResult { Outcome = isEntry ? LoadOutcome.Found : LoadOutcome.NotFound, Entry = entry, IsWanted = isDear || read.WasReferenced });
            return true;
        }

        for (var attempt = 0; attempt < RoomAttempts; attempt++)
        {
            if (TryCompleteLarge(host, partition, effect, read))
            {
                return true;
            }

            await Task.Delay(RoomDelay, time, stopping.Token).ConfigureAwait(false);
        }

        return false;
    }

    private static bool IsInline(in TierRead read) => !TierRecord.TryRead(read.Record, out var entry) || entry.Value.Length <= Limits.MaxInlineBytes;

    /// <returns>False where there is no room for the value now.</returns>
    private static bool TryCompleteLarge(IEffectHost host, int partition, Effect effect, in TierRead read)
    {
        TierRecord.TryRead(read.Record, out var entry);
        if (entry.Value.Length > host.LargeValues.MaxValueBytes)
        {
            host.Complete(partition, effect.Ticket, new LoadResult { Outcome = LoadOutcome.NotFound });
            return true;
        }

        var large = host.LargeValues.TryCreate(entry.Value);
        if (large is null)
        {
            return false;
        }

        var result = new LoadResult { Outcome = LoadOutcome.Found, Entry = entry.WithLarge(large), IsWanted = true };
        if (!host.Complete(partition, effect.Ticket, result))
        {
            large.Release();
        }

        return true;
    }

    [LoggerMessage(1, LogLevel.Error, "A load ended with an error that no tier should let through")]
    private partial void LogUnexpected(Exception exception);
}
