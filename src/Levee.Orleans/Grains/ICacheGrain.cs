using Levee.Clustering;
using Levee.Learning;
using Levee.Orleans.Silo;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Utilities;

namespace Levee.Orleans.Grains;

/// <summary>
/// What hears which entries near caches must forget. A batch may be lost on the way, with the gateway through which it went: each silo numbers its batches, and sends one at least every second, so whoever misses one learns it soon from the next, and
/// forgets everything (<see cref="InvalidationCursor"/>).
/// </summary>
[Alias("levee.invalidations")]
public interface IInvalidationObserver : IGrainObserver
{
    /// <summary>A batch from one silo, packed by the silo.</summary>
    [OneWay, Alias("invalidated")]
    ValueTask Invalidated(Immutable<byte[]> batch);
}

/// <summary>A cache as a whole: its configuration, kept in grain storage and changed at run time, and the hub of its invalidations. Its key is the cache's name.</summary>
[Alias("levee.cache")]
public interface ICacheGrain : IGrainWithStringKey
{
    /// <summary>The configuration in force.</summary>
    [AlwaysInterleave, Alias("read")]
    ValueTask<CacheConfiguration> Read();

    /// <summary>Says with how many partitions a silo was started. The first one that joins decides.</summary>
    /// <returns>The configuration in force, with the number of partitions that the silo must have.</returns>
    [Alias("join")]
    ValueTask<CacheConfiguration> Join(int partitions);

    /// <summary>
    /// Changes the configuration: what is null in <paramref name="change"/> stays as it is. Persisted first, then told to all silos; one that cannot be reached reads it later.
    /// </summary>
    /// <returns>The configuration in force.</returns>
    /// <exception cref="ArgumentException">A value is out of range; nothing was changed. The message names it and what is allowed.</exception>
    [Alias("configure")]
    ValueTask<CacheConfiguration> Configure(CacheConfiguration change);

    /// <summary>
    /// Subscribes to invalidations. A subscription lasts five minutes, and goes with the silo that this grain is on; it is renewed by subscribing again, at best every few seconds. Who was not known is told to forget everything.
    /// </summary>
    [Alias("subscribe")]
    ValueTask Subscribe(IInvalidationObserver observer);

    /// <summary>Ends a subscription.</summary>
    [Alias("unsubscribe")]
    ValueTask Unsubscribe(IInvalidationObserver observer);

    /// <summary>Takes what a silo's miniatures of the policy "auto" saw, decides where enough has been seen, and says what is in force: one policy for all silos.</summary>
    [AlwaysInterleave, Alias("learn")]
    ValueTask<PolicyAnswer> Learn(PolicySeen seen);

    /// <summary>Passes a silo's batch on to all subscribers.</summary>
    [AlwaysInterleave, Alias("publish")]
    [ResponseTimeout("00:00:10")]
    ValueTask Publish(Immutable<byte[]> batch);
}

/// <summary>The shell around a cache's configuration.</summary>
internal sealed class CacheGrain : Grain, ICacheGrain
{
    private static readonly TimeSpan SubscriptionLife = TimeSpan.FromMinutes(5);

    private readonly IPersistentState<CacheConfiguration> stored;
    private readonly LeveeSilo silo;
    private readonly SiloPortClient ports;
    private readonly ObserverManager<IInvalidationObserver> observers;
    private readonly PolicyDecider decider = new();

    public CacheGrain([PersistentState("configuration", LeveeSilo.StorageName)] IPersistentState<CacheConfiguration> stored, LeveeSilo silo, SiloPortClient ports, ILogger<CacheGrain> log)
    {
        this.stored = stored;
        this.silo = silo;
        this.ports = ports;
        observers = new ObserverManager<IInvalidationObserver>(SubscriptionLife, log);
    }

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        silo.CacheNamed(this.GetPrimaryKeyString());
        this.RegisterGrainTimer(DropSilentAsync, new GrainTimerCreationOptions { DueTime = SubscriptionLife, Period = SubscriptionLife });
        return Task.CompletedTask;
    }

    public ValueTask<CacheConfiguration> Read() => new(stored.State);

    public async ValueTask<CacheConfiguration> Join(int partitions)
    {
        if (stored.State.Partitions == 0)
        {
            await WriteAsync(stored.State with { Version = stored.State.Version + 1, Partitions = partitions });
        }

        return stored.State;
    }

    public async ValueTask<CacheConfiguration> Configure(CacheConfiguration change)
    {
        ArgumentNullException.ThrowIfNull(change);
        var next = stored.State with
        {
            Version = stored.State.Version + 1,
            MemoryBytes = change.MemoryBytes ?? stored.State.MemoryBytes,
            DefaultTtl = change.DefaultTtl ?? stored.State.DefaultTtl,
            DefaultTtlJitter = change.DefaultTtlJitter ?? stored.State.DefaultTtlJitter,
            MaxValueBytes = change.MaxValueBytes ?? stored.State.MaxValueBytes,
            Policy = change.Policy ?? stored.State.Policy,
        };
        next.ApplyTo(silo.CacheNamed(this.GetPrimaryKeyString()).Local.Options).Validate();
        await StoreAsync(next);
        return next;
    }

    public async ValueTask Subscribe(IInvalidationObserver observer)
    {
        var before = observers.Count;
        observers.Subscribe(observer, observer);
        if (!stored.State.HasSubscribers)
        {
            await StoreAsync(stored.State with { Version = stored.State.Version + 1, HasSubscribers = true });
        }
        else if (observers.Count > before)
        {
            // It may have subscribed before, to this grain on a silo that is gone, and have missed what was told since.
            var feed = new InvalidationFeed(BitConverter.ToUInt64(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8)));
            feed.ForgetEverything();
            feed.TryTake(out var everything);
            await observer.Invalidated(new Immutable<byte[]>(everything));
        }
    }

    public ValueTask Unsubscribe(IInvalidationObserver observer)
    {
        observers.Unsubscribe(observer);
        return new ValueTask(DropSilentAsync(CancellationToken.None));
    }

    public ValueTask<PolicyAnswer> Learn(PolicySeen seen)
    {
        ArgumentNullException.ThrowIfNull(seen);
        decider.Add(seen.ToReport());
        return new(PolicyAnswer.Of(decider));
    }

    public async ValueTask Publish(Immutable<byte[]> batch) => await observers.Notify(observer => observer.Invalidated(batch).AsTask());

    private async Task StoreAsync(CacheConfiguration next)
    {
        await WriteAsync(next);
        await Task.WhenAll(silo.View.Serving.Values.Select(TellAsync));

        async Task TellAsync(SiloAddress other)
        {
            try
            {
                await ports.To(other).Configure(this.GetPrimaryKeyString(), next);
            }
            catch (Exception failure)
            {
                silo.Log.ConfigurationFailed(this.GetPrimaryKeyString(), $"told to silo {other}", failure);
            }
        }
    }

    /// <summary>What could not be written is not in force.</summary>
    private async Task WriteAsync(CacheConfiguration next)
    {
        var before = stored.State;
        stored.State = next;
        try
        {
            await stored.WriteStateAsync();
        }
        catch
        {
            stored.State = before;
            throw;
        }
    }

    private async Task DropSilentAsync(CancellationToken cancellation)
    {
        observers.ClearExpired();
        if (observers.Count == 0 && stored.State.HasSubscribers)
        {
            await StoreAsync(stored.State with { Version = stored.State.Version + 1, HasSubscribers = false });
        }
    }
}
