using Levee.Operations;
using Microsoft.Extensions.Logging;

namespace Levee.Tiers.Redis;

/// <content>What the tier holds and did, how it is, and what it logs.</content>
public sealed partial class RedisTier
{
    // How long a refusal is said, unless a record is written before.
    private static readonly TimeSpan RefusalMemory = TimeSpan.FromSeconds(30);

    // Under the lock.
    private long demotions;
    private long drops;
    private long carriedOver;
    private long deleteRequests;

    // Interlocked.
    private long hits;
    private long misses;
    private long failures;
    private long damaged;
    private long writeRequests;
    private long writtenBytes;
    private long readRequests;
    private long readBytes;
    private double readMs;
    private string problem = "it is not connected yet";
    private string refusal = "";
    private long refusedAt;

    /// <inheritdoc/>
    public TierStatistics GetStatistics()
    {
        lock (gate)
        {
            var words = Problem();
            return new TierStatistics
            {
                Health = words.Length > 0 ? TierHealth.Degraded : isListing ? TierHealth.Recovering : TierHealth.Healthy,
                Problem = words,
                Entries = presence.Live,
                EntriesBelow = presence.Live - presence.Promoted,
                HeldBytes = presence.StoredBytes,
                CapacityBytes = context.CapacityBytes,
                IndexBytes = isStopped ? 0 : presence.HeldBytes,
                Hits = Interlocked.Read(ref hits),
                Misses = Interlocked.Read(ref misses),
                Failures = Interlocked.Read(ref failures),
                Demotions = demotions,
                Drops = drops,
                CarriedOver = carriedOver,
                Damaged = Interlocked.Read(ref damaged),
                WriteRequests = Interlocked.Read(ref writeRequests),
                ReadRequests = Interlocked.Read(ref readRequests),
                DeleteRequests = deleteRequests,
                WrittenBytes = Interlocked.Read(ref writtenBytes),
                ReadBytes = Interlocked.Read(ref readBytes),
                GivenUpGenerations = isStopped ? 0 : state?.GivenUp.Count ?? 0,
                ReadMs = readMs,
            };
        }
    }

    private string Problem() => problem.Length > 0 ? problem : refusal.Length > 0 && time.GetElapsedTime(refusedAt) < RefusalMemory ? refusal : breaker.IsOpen ? "the breaker is open: Redis failed often a moment ago" : "";

    private void SetProblem(string words, RedisErrorKind kind)
    {
        lock (gate)
        {
            problem = words.Length > 0 ? words : RedisErrors.Describe(kind, default);
        }
    }

    private void ClearProblem()
    {
        lock (gate)
        {
            problem = "";
        }
    }

    private void Refused(RedisErrorKind kind, ReadOnlySpan<byte> error)
    {
        var words = RedisErrors.Describe(kind, error);
        lock (gate)
        {
            refusal = words;
            refusedAt = time.GetTimestamp();
        }
    }

    private void ClearRefusal()
    {
        if (Volatile.Read(ref refusal).Length > 0)
        {
            lock (gate)
            {
                refusal = "";
            }
        }
    }

    // Several threads may write it; a mean that misses one is a mean.
    private void NoteReadTime(long askedAt)
    {
        var ms = time.GetElapsedTime(askedAt).TotalMilliseconds;
        readMs = readMs == 0 ? ms : readMs + ((ms - readMs) / 64);
    }

    [LoggerMessage(401, LogLevel.Information, "Tier {Tier}: state {Outcome}. {Reason}")]
    private static partial void LogState(ILogger logger, string tier, Segments.StateOutcome outcome, string reason);

    [LoggerMessage(402, LogLevel.Information, "Tier {Tier}: connected")]
    private static partial void LogConnection(ILogger logger, string tier);

    [LoggerMessage(403, LogLevel.Warning, "Tier {Tier} cannot be used: {Reason}")]
    private static partial void LogUnusable(ILogger logger, string tier, string reason);

    [LoggerMessage(404, LogLevel.Warning, "Tier {Tier}: a new generation begins, what Redis held does not count any more: {Reason}")]
    private static partial void LogGeneration(ILogger logger, string tier, string reason);

    [LoggerMessage(405, LogLevel.Error, "Tier {Tier}: {Work} failed and is tried again")]
    private static partial void LogBroken(ILogger logger, Exception failure, string tier, string work);

    private void LogFinding(string tier, Segments.StateOutcome outcome, string reason) => LogState(logger, tier, outcome, reason);

    private void LogConnected(string tier) => LogConnection(logger, tier);

    private void LogUnusable(string tier, string reason) => LogUnusable(logger, tier, reason);

    private void LogGivenUp(string tier, string reason) => LogGeneration(logger, tier, reason);
}
