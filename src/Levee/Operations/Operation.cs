namespace Levee.Operations;

/// <summary>What an <see cref="Operation"/> asks of a partition.</summary>
public enum OperationKind : byte
{
    /// <summary>Reads the entry of a key and counts as its use. Answers <see cref="Outcome.Hit"/> or <see cref="Outcome.Miss"/>.</summary>
    Get,

    /// <summary>Like <see cref="Get"/> without counting as a use: neither the policy nor a sliding TTL notices, no hit or miss is counted.</summary>
    Peek,

    /// <summary>Writes an entry. Answers <see cref="Outcome.Stored"/>, <see cref="Outcome.ConditionFailed"/>, <see cref="Outcome.TooLarge"/> or <see cref="Outcome.OutOfMemory"/>.</summary>
    Set,

    /// <summary>Removes an entry. Answers <see cref="Outcome.Removed"/> with the entry as it was, <see cref="Outcome.Miss"/> or <see cref="Outcome.ConditionFailed"/>.</summary>
    Delete,

    /// <summary>Changes an entry's TTL and nothing else. Answers <see cref="Outcome.Stored"/>, <see cref="Outcome.Miss"/> or <see cref="Outcome.ConditionFailed"/>.</summary>
    Expire,

    /// <summary>
    /// Adds bytes at the end of a value, creating it where absent. Answers <see cref="Outcome.Stored"/> with the new length in <see cref="Answer.Number"/>, or
    /// <see cref="Outcome.TooLarge"/> where the result would not be inline: nothing large is copied while a partition is held, so the caller rewrites it
    /// under <see cref="Condition.IfVersion"/>.
    /// </summary>
    Append,

    /// <summary>Adds <see cref="Operation.Number"/> to a decimal 64-bit integer. Answers <see cref="Outcome.Stored"/> with the sum in <see cref="Answer.Number"/>.</summary>
    Increment,

    /// <summary>Adds <see cref="Operation.Addend"/> to a decimal number. Answers <see cref="Outcome.Stored"/> with an entry that holds the sum's text.</summary>
    IncrementFloat,

    /// <summary>
    /// Visits entries of one partition from <see cref="Operation.Number"/> on: any number of <see cref="Outcome.Item"/>, then one
    /// <see cref="Outcome.Done"/> whose <see cref="Answer.Number"/> is where to go on, 0 at the end.
    /// An entry that stays present from the first slice to the last is visited exactly once.
    /// </summary>
    Scan,

    /// <summary>Invalidates what carries the tag in <see cref="Operation.Key"/>, in one partition. Answers <see cref="Outcome.Done"/>.</summary>
    RemoveByTag,

    /// <summary>Removes everything in one partition. Answers <see cref="Outcome.Done"/> with the number of entries removed.</summary>
    Clear,

    /// <summary>Answers <see cref="Outcome.Done"/> with <see cref="Answer.Statistics"/> of one partition.</summary>
    Statistics,

    /// <summary>Says where the entry of a key lies, without counting as a use and without asking a tier for it. Answers <see cref="Outcome.Done"/> with <see cref="Answer.Explanation"/>.</summary>
    Explain,

    /// <summary>
    /// Asks for the entry of a key to be brought up from a lower tier, ahead of a use. Answers <see cref="Outcome.Done"/> with a <see cref="Learning.PrefetchOutcome"/> in <see cref="Answer.Number"/>: when the load has ended, or
    /// at once where there is nothing to load, as the entry is in memory, its load is under way or no tier may hold it. Counts neither as a use nor as a hit or miss; what was brought up is kept apart from what was used until its
    /// first use. A <see cref="Get"/> that comes meanwhile waits for the same load. Where <see cref="Operation.Key"/> is empty and <see cref="Operation.Hash"/> is not that of the empty key, the entry with that hash is brought up, whatever its key.
    /// </summary>
    Prefetch,

    /// <summary>
    /// Says that somebody begins to load the entry of a key from outside the cache. Answers <see cref="Outcome.Done"/> with the lease in
    /// <see cref="Answer.Number"/>: the <see cref="Operation.Lease"/> of the set that brings what
    /// was loaded. Counts as no use, looks for no entry, and asks no tier.
    /// </summary>
    Lease,
}

/// <summary>When a <see cref="OperationKind.Set"/> or <see cref="OperationKind.Delete"/> may act.</summary>
public enum Condition : byte
{
    /// <summary>Always.</summary>
    None,

    /// <summary>Only where the key has no entry (Redis: NX).</summary>
    IfAbsent,

    /// <summary>Only where the key has an entry (Redis: XX).</summary>
    IfPresent,

    /// <summary>Only where the entry's version equals <see cref="Operation.Version"/>.</summary>
    IfVersion,
}

/// <summary>When an <see cref="OperationKind.Expire"/> may act; the flags of Redis' EXPIRE. An entry without expiry counts as one that never expires.</summary>
[Flags]
public enum ExpireCondition : byte
{
    /// <summary>Always.</summary>
    None = 0,

    /// <summary>Only where the entry has no expiry (NX).</summary>
    IfNone = 1,

    /// <summary>Only where the entry has an expiry (XX).</summary>
    IfSome = 2,

    /// <summary>Only where the new expiry is later (GT).</summary>
    IfLater = 4,

    /// <summary>Only where the new expiry is earlier (LT).</summary>
    IfEarlier = 8,
}

/// <summary>What a value is to the front doors. The engine keeps it and refuses arithmetic on anything but <see cref="Bytes"/>. Numbers are persisted: append only.</summary>
public enum EntryKind : byte
{
    /// <summary>A string of bytes.</summary>
    Bytes = 0,

    /// <summary>A packed hash of fields, as the RESP front door writes it.</summary>
    Hash = 1,
}

/// <summary>
/// One request to a partition. A borrowed view: the spans belong to the caller and are valid during the call that passes it.
/// Only the members that <see cref="Kind"/> names are read.
/// </summary>
public ref struct Operation
{
    /// <summary>What is asked.</summary>
    public OperationKind Kind { get; set; }

    /// <summary>The key (0 to <see cref="Limits.MaxKeyBytes"/> bytes), or the tag of a <see cref="OperationKind.RemoveByTag"/>.</summary>
    public ReadOnlySpan<byte> Key { get; set; }

    /// <summary>The routing hash of <see cref="Key"/> (<see cref="Keys.KeyHash"/>); not read where <see cref="Partition"/> is what routes.</summary>
    public ulong Hash { get; set; }

    /// <summary>What <see cref="ICacheHost.Approach"/> said of this key on this host; 0: nothing.</summary>
    public ulong IndexHint { get; set; }

    /// <summary>The partition that a <see cref="OperationKind.Scan"/>, <see cref="OperationKind.RemoveByTag"/>, <see cref="OperationKind.Clear"/> or <see cref="OperationKind.Statistics"/> is for.</summary>
    public int Partition { get; set; }

    /// <summary>The value of a set or append, where it is small (see <see cref="Limits.MaxInlineBytes"/>).</summary>
    public ReadOnlySpan<byte> Value { get; set; }

    /// <summary>The value of a set where it is large; the cache takes over the caller's reference when it answers <see cref="Outcome.Stored"/>, and only then.</summary>
    public Memory.LargeValue? Large { get; set; }

    /// <summary>What the value of a set is.</summary>
    public EntryKind EntryKind { get; set; }

    /// <summary>Whether a delete is refused with <see cref="Outcome.WrongKind"/> where the entry is not of <see cref="EntryKind"/>.</summary>
    public bool RequiresKind { get; set; }

    /// <summary>Bits that the caller keeps with an entry; 0 costs nothing.</summary>
    public uint Flags { get; set; }

    /// <summary>MIME type that the caller keeps with an entry, ASCII, up to 255 bytes; empty costs nothing.</summary>
    public ReadOnlySpan<byte> ContentType { get; set; }

    /// <summary>Tags of the entry, packed by <see cref="TagList"/>; empty costs nothing.</summary>
    public ReadOnlySpan<byte> Tags { get; set; }

    /// <summary>When the entry expires, in Unix milliseconds; 0: the cache's default TTL; <see cref="Limits.Never"/>: not at all.</summary>
    public long ExpiresAt { get; set; }

    /// <summary>Each use moves the expiry to this many milliseconds from then, never beyond <see cref="ExpiresAt"/> where that is given; 0: fixed expiry.</summary>
    public long SlidingMs { get; set; }

    /// <summary>A random part of up to this many milliseconds is taken off <see cref="ExpiresAt"/>, so that entries written together do not expire together.</summary>
    public long JitterMs { get; set; }

    /// <summary>An overwrite keeps the expiry (and sliding TTL) that the entry has.</summary>
    public bool KeepTtl { get; set; }

    /// <summary>An <see cref="Outcome.Item"/> with the entry that was there, if any, precedes the answer to a set; refused with <see cref="Outcome.WrongKind"/> where that is not <see cref="EntryKind.Bytes"/>.</summary>
    public bool ReturnsPrevious { get; set; }

    /// <summary>A set brings the entry ahead of a use, as <see cref="OperationKind.Prefetch"/> does: it is kept apart until its first use, and counts as no access. Only with <see cref="Operations.Condition.IfAbsent"/>.</summary>
    public bool IsAhead { get; set; }

    /// <summary>
    /// The caller does not look at the value of the entry that the answer shows: a host that would have to move it may leave it out. Then <see cref="EntryView.ValueLength"/> is as it was, and
    /// <see cref="EntryView.Value"/> is empty, <see cref="EntryView.Large"/> null.
    /// </summary>
    public bool SkipsValue { get; set; }

    /// <summary>When a set or delete may act.</summary>
    public Condition Condition { get; set; }

    /// <summary>When an expire may act.</summary>
    public ExpireCondition ExpireCondition { get; set; }

    /// <summary>The version that <see cref="Condition.IfVersion"/> compares with.</summary>
    public ulong Version { get; set; }

    /// <summary>The summand of an <see cref="OperationKind.Increment"/>; the position of a <see cref="OperationKind.Scan"/>; the
    /// <see cref="Lease"/> of a <see cref="OperationKind.Set"/>.</summary>
    public long Number { get; set; }

    /// <summary>
    /// What <see cref="OperationKind.Lease"/> answered before the value of this set was loaded; 0: the value was not loaded. The set is
    /// refused with <see cref="Outcome.ConditionFailed"/> where the load may have brought
    /// something old: the key was written, removed or given another TTL since, the cache was cleared, a tag of <see cref="Tags"/> was
    /// removed, another fill came first, or the lease was forgotten. Travels as
    /// <see cref="Number"/>.
    /// </summary>
    public ulong Lease
    {
        readonly get => (ulong)Number;
        set => Number = (long)value;
    }

    /// <summary>The summand of an <see cref="OperationKind.IncrementFloat"/>.</summary>
    public double Addend { get; set; }

    /// <summary>How many nodes one <see cref="OperationKind.Scan"/> visits at the most, 1 to 1,024.</summary>
    public int Count { get; set; }
}
