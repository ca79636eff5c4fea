using Levee.CrashChild;
using Levee.Operations;

namespace Levee.Crash.Tests;

/// <summary>
/// Compares every answer with the log of what was begun and acknowledged. An answer is right if it is what the last acknowledged deed left, or a later deed that was begun and whose acknowledgement
/// nobody saw, or a miss. A deed supersedes another if it was begun after the other's end; so clears, which meet other threads' deeds, need no order of their own.
/// A deed that a read has shown counts as acknowledged from then on.
/// </summary>
internal sealed class Checker(int keys, bool writesThrough)
{
    private const int MostViolations = 20;
    private const int MostRemovals = 64;

    /// <summary>With more increments than this of which nobody knows if they have happened, any higher sum is taken to be theirs: trying all their subsets would take for ever.</summary>
    private const int MostGuessed = 6;

    /// <summary>The steps of the cache's clock, at the most.</summary>
    private const int CoarseMs = 20;

    private readonly KeyLog[] logs = [.. Enumerable.Range(0, keys).Select(_ => new KeyLog())];
    private readonly Dictionary<long, Deed> underWay = [];

    /// <summary>For each tag (-1: clears) the last removals, those that may not have happened included.</summary>
    private readonly Dictionary<short, List<Deed>> removals = [];
    /// <summary>What was there when a run began to stop cleanly: key and expiry. Until the next load begins it must be there.</summary>
    private readonly Dictionary<int, long> kept = [];
    private bool isTakingStock;
    private bool hasStopped;
    private long place;
    private long excusedUntil;
    private volatile bool isTierDown;

    public List<string> Violations { get; } = [];

    public long Reads { get; private set; }

    public long Hits { get; private set; }

    /// <summary>Reads that would have been wrong had they missed what was acknowledged.</summary>
    public long CompleteReads { get; private set; }

    /// <summary>Reads that would have been wrong had they missed what a clean stop was to keep.</summary>
    public long KeptReads { get; private set; }

    public long Acknowledged { get; private set; }

    public long UnknownShown { get; private set; }

    public long LastOp { get; private set; }

    /// <summary>The counts of entries that the runs have reported.</summary>
    public List<long> Counts { get; } = [];

    /// <summary>Whether what notes the clock may be lost, and with it that versions rise.</summary>
    public bool LosesClock { get; init; }

    /// <summary>Whether a tier does not answer, so that what it holds may be missing. Set by another thread than the one that takes frames.</summary>
    public bool IsTierDown
    {
        get => isTierDown;
        set => isTierDown = value;
    }

    /// <summary>Whether a tier lets entries go by itself, by a clock of its own.</summary>
    public bool TiersExpire { get; init; }

    /// <summary>How far the cache's clock was ahead of the machine's, at the most.</summary>
    public long MostAheadMs { get; private set; }

    /// <summary>What lies in the tiers was damaged: what is missing from now on may be missing.</summary>
    public void Excuse() => excusedUntil = place;

    public void Take(in Frame frame, string text)
    {
        place++;
        LastOp = Math.Max(LastOp, frame.Op);
        switch (frame.Kind)
        {
            case FrameKind.Opened:
                MostAheadMs = Math.Max(MostAheadMs, frame.Clock - TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
                break;
            case FrameKind.Begin:
                Begin(frame);
                break;
            case FrameKind.Ack:
                Acknowledge(frame);
                break;
            case FrameKind.Read:
                Read(frame);
                break;
            case FrameKind.Count:
                Counts.Add(frame.Value);
                Check(frame.Value >= 0 && frame.Value <= 2L * keys, $"{frame.Value} entries of {keys} keys");
                break;
            case FrameKind.Stopping:
                kept.Clear();
                isTakingStock = true;
                break;
            case FrameKind.Stopped:
                (isTakingStock, hasStopped) = (false, true);
                break;
            case FrameKind.Loading:
                hasStopped = false;
                break;
            case FrameKind.Corrupt:
                Check(false, text);
                break;
            case FrameKind.Problem:
                Check(false, "the child could not go on: " + text);
                break;
            default:
                break;
        }
    }

    /// <summary>The process is dead: what was under way has happened by now, or never will.</summary>
    public void EndRun()
    {
        place++;
        foreach (var deed in underWay.Values)
        {
            deed.End = place;
            NoteRemoval(deed);
        }

        underWay.Clear();
        isTakingStock = false;
        foreach (var log in logs)
        {
            log.Trim();
        }
    }

    private static bool IsRemoval(Act act) => act is Act.RemoveByTag or Act.Clear;

    private void Begin(in Frame frame)
    {
        var deed = new Deed
        {
            Act = frame.Act,
            Op = frame.Op,
            Begin = place,
            LeavesEntry = frame.Act is not (Act.Get or Act.Delete or Act.Clear or Act.RemoveByTag),
            Tag = frame.Tag,
            ExpiresAt = frame.ExpiresAt,
            Value = frame.Value,
            AskedVersion = frame.Version,
            BehindMs = frame.BehindMs,
        };
        underWay.Add(frame.Op, deed);
        if (!IsRemoval(frame.Act) && frame.Act != Act.Get)
        {
            logs[frame.Key].Deeds.Add(deed);
        }
    }

    private void Acknowledge(in Frame frame)
    {
        if (!underWay.Remove(frame.Op, out var deed))
        {
            Check(false, $"operation {frame.Op} was acknowledged and never begun");
            return;
        }

        deed.End = place;
        Acknowledged++;
        if (IsRemoval(deed.Act))
        {
            deed.IsKnown = frame.Outcome == Outcome.Done;
            NoteRemoval(deed);
            return;
        }

        var log = logs[frame.Key];
        switch (frame.Outcome)
        {
            case Outcome.Stored:
                AcknowledgeStored(log, deed, frame);
                break;
            case Outcome.Removed:
            case Outcome.Miss when deed.Act == Act.Delete:
                deed.IsKnown = true;
                break;
            case Outcome.ConditionFailed:
            case Outcome.Miss:
            case Outcome.TooLarge:
            case Outcome.OutOfMemory when !writesThrough:
                log.Deeds.Remove(deed);
                if (frame.Version != 0)
                {
                    Show(log, frame, deed.Begin);
                }

                break;
            default:
                // Refused, and perhaps done all the same: what was there before may be lost.
                (deed.IsRefused, deed.Version) = (true, frame.Version);
                break;
        }
    }

    private void AcknowledgeStored(KeyLog log, Deed deed, in Frame frame)
    {
        var asked = deed.AskedVersion;
        var value = frame.Value;
        Check(LosesClock || frame.Version > log.HighestVersion || (deed.Act == Act.Expire && frame.Version == log.HighestVersion), $"key {frame.Key}: version {frame.Version} of {deed} is not above {log.HighestVersion}, which was given out before");
        log.HighestVersion = Math.Max(log.HighestVersion, frame.Version);
        deed.IsKnown = true;
        deed.Version = frame.Version;
        var basis = default(Deed);
        switch (deed.Act)
        {
            case Act.Expire:
                basis = log.Deeds.FindLast(other => other != deed && other.LeavesEntry && other.Value == value && IsAllowed(log, other, deed.Begin, upTo: deed));
                Check(basis is not null, $"key {frame.Key}: {deed} found the value {frame.Value}, which is not the key's");
                break;
            case Act.Increment when frame.Value != deed.Value:
                var before = frame.Value - deed.Value;
                basis = log.Deeds.FindLast(other => other != deed && other.LeavesEntry && CounterOf(log, other, before) && IsAllowed(log, other, deed.Begin, upTo: deed));
                Check(basis is not null, $"key {frame.Key}: {deed} added to {before}, which is not the key's value");
                break;
            case Act.SetIfVersion:
                var expected = log.Deeds.FindLast(other => other != deed && other.Version == asked && other.LeavesEntry && IsAllowed(log, other, deed.Begin, upTo: deed));
                Check(expected is not null, $"key {frame.Key}: {deed} found version {asked}, which is not the key's");
                break;
            default:
                break;
        }

        if (basis is not null)
        {
            deed.Tag = basis.Tag;
            basis.IsKnown = true;
        }

        deed.Value = frame.Value;
        Check(deed.Act == Act.Increment || frame.ExpiresAt == deed.ExpiresAt, $"key {frame.Key}: {deed} was stored with expiry {frame.ExpiresAt}");
        deed.ExpiresAt = frame.ExpiresAt;
    }

    private void Read(in Frame frame)
    {
        Reads++;
        var isComplete = writesThrough && frame.IsComplete && !isTierDown;
        CompleteReads += isComplete ? 1 : 0;
        underWay.Remove(frame.Op, out var asked);
        var log = logs[frame.Key];
        if (frame.Outcome == Outcome.Hit)
        {
            Hits++;
            Check(frame.ExpiresAt > frame.Clock, $"key {frame.Key}: an entry that expired at {frame.ExpiresAt} was read at {frame.Clock}");
            Show(log, frame, asked!.Begin);
            if (isTakingStock)
            {
                kept[frame.Key] = frame.ExpiresAt;
            }
        }
        else if (frame.Outcome == Outcome.Miss && hasStopped && frame.IsComplete)
        {
            Check(!kept.TryGetValue(frame.Key, out var expiresAt) || expiresAt <= frame.ClockAfter, $"key {frame.Key} was there before a clean stop, and is missing after it");
        }

        if (hasStopped && frame.IsComplete && kept.ContainsKey(frame.Key))
        {
            KeptReads++;
        }

        if (frame.Outcome == Outcome.Miss && isComplete)
        {
            CheckMiss(log, frame);
        }
    }

    /// <summary>An answer to what was begun at a place shows an entry.</summary>
    private void Show(KeyLog log, in Frame frame, long begin)
    {
        var (version, value, expiresAt) = (frame.Version, frame.Value, frame.ExpiresAt);
        // A TTL is no part of what a version names: an entry keeps its version when its TTL changes.
        var candidates = log.Deeds.FindAll(deed => deed.LeavesEntry
            && (deed.IsKnown ? deed.Version == version && deed.Value == value && deed.ExpiresAt == expiresAt : CouldBe(log, deed, value, expiresAt)));
        var shown = candidates.FindLast(deed => deed.IsKnown && IsAllowed(log, deed, begin)) ?? candidates.FindLast(deed => IsAllowed(log, deed, begin)) ?? candidates.LastOrDefault();

        if (shown is null || !IsAllowed(log, shown, begin))
        {
            Check(false, $"key {frame.Key}: read at {begin}..{place} value {value} version {version} expires {expiresAt}, {Why(log, shown, begin)}; the key's log: {Tell(log)}");
            return;
        }

        if (!shown.IsKnown)
        {
            UnknownShown++;
            Check(LosesClock || version > log.HighestVersion || (shown.Act == Act.Expire && version == log.HighestVersion), $"key {frame.Key}: version {version} of {shown} is not above {log.HighestVersion}");
            log.HighestVersion = Math.Max(log.HighestVersion, version);
            if (shown.Act == Act.Expire)
            {
                shown.Tag = log.Deeds.FindLast(other => other != shown && other.LeavesEntry && other.Value == value)?.Tag ?? -1;
            }

            (shown.Version, shown.Value, shown.ExpiresAt) = (version, value, expiresAt);
            shown.IsKnown = true;
        }
    }

    private static bool CouldBe(KeyLog log, Deed deed, long value, long expiresAt) => deed.Act switch
    {
        Act.Expire => deed.ExpiresAt == expiresAt && log.Deeds.Exists(other => other != deed && other.LeavesEntry && (other.Act == Act.Increment || other.Value == value)),
        Act.Increment => CounterOf(log, deed, value),
        _ => deed.Value == value && deed.ExpiresAt == expiresAt,
    };

    /// <summary>Whether a deed can have left a counter at a value.</summary>
    private static bool CounterOf(KeyLog log, Deed deed, long value) =>
        deed.IsKnown ? deed.Value == value
        : deed.Act == Act.Increment && value >= deed.Value && (value == deed.Value || log.Deeds.Count(other => !other.IsKnown && other.Act == Act.Increment) > MostGuessed || log.Deeds.Exists(other => other.Begin < deed.Begin && other.LeavesEntry && CounterOf(log, other, value - deed.Value)));

    /// <summary>Whether nothing that is known to have happened before an answer was asked for supersedes a deed.</summary>
    private bool IsAllowed(KeyLog log, Deed deed, long begin, Deed? upTo = null) =>
        Killer(log, deed, upTo) is null && Removal(deed, -1, begin) is null && (deed.Tag < 0 || Removal(deed, deed.Tag, begin) is null);

    private static Deed? Killer(KeyLog log, Deed deed, Deed? upTo) => log.Deeds.Find(other => other.IsKnown && other != upTo && other.Begin > deed.End);

    private Deed? Removal(Deed deed, short tag, long begin) => removals.GetValueOrDefault(tag)?.Find(removal => removal.IsKnown && removal.Begin > deed.End && removal.End < begin);

    private void NoteRemoval(Deed deed)
    {
        if (!IsRemoval(deed.Act))
        {
            return;
        }

        var tag = deed.Act == Act.Clear ? (short)-1 : deed.Tag;
        if (!removals.TryGetValue(tag, out var last))
        {
            removals[tag] = last = [];
        }

        last.Add(deed);
        if (last.Count > MostRemovals)
        {
            last.RemoveAt(0);
        }
    }

    /// <summary>Where writes go through, what was acknowledged is there unless something explains why not.</summary>
    private void CheckMiss(KeyLog log, in Frame frame)
    {
        var last = log.Deeds.FindLastIndex(deed => deed.IsKnown);
        if (last < 0 || log.Deeds[last] is not { LeavesEntry: true } lost || lost.End <= excusedUntil)
        {
            return;
        }

        var read = frame;
        var isExplained = MayHaveExpired(lost, read) || MayBeRemoved(lost, -1) || (lost.Tag >= 0 && MayBeRemoved(lost, lost.Tag))
            || log.Deeds.Skip(last + 1).Any(deed => !deed.LeavesEntry || deed.IsRefused || (deed.Act != Act.Increment && MayHaveExpired(deed, read)));
        Check(isExplained, $"key {frame.Key}: missing at {place}, clock {frame.ClockAfter}, behind by {frame.BehindMs} ms; last acknowledged: {lost}; the key's log: {Tell(log)}");
    }

    /// <summary>
    /// Whether what a deed left had expired when a read was answered: by the cache's clock; or, where a tier is told how long an entry is to live and lets it go by itself, by what has passed since then
    /// on the machine's, on which more passes than on the cache's where that stands still because the machine's was set back.
    /// </summary>
    private bool MayHaveExpired(Deed deed, in Frame read) =>
        deed.ExpiresAt <= read.ClockAfter
        || (TiersExpire && deed.ExpiresAt != Limits.Never && deed.ExpiresAt + deed.BehindMs - CoarseMs <= read.ClockAfter + read.BehindMs);

    private bool MayBeRemoved(Deed deed, short tag) =>
        (removals.GetValueOrDefault(tag)?.Exists(removal => removal.End > deed.Begin) ?? false)
        || underWay.Values.Any(other => IsRemoval(other.Act) && (other.Act == Act.Clear ? tag < 0 : other.Tag == tag));

    private string Why(KeyLog log, Deed? shown, long begin) => shown is null ? "which was never written"
        : Killer(log, shown, null) is { } killer ? $"which is [{shown}], superseded by [{killer}]"
        : $"which is [{shown}], made void by [{Removal(shown, -1, begin) ?? Removal(shown, shown.Tag, begin)}]";

    private static string Tell(KeyLog log) => string.Join(" | ", log.Deeds.TakeLast(8));

    private void Check(bool holds, string violation)
    {
        if (!holds && Violations.Count < MostViolations)
        {
            Violations.Add(violation);
        }
    }
}
