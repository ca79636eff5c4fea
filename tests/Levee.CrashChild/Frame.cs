using System.Runtime.InteropServices;
using Levee.Operations;

namespace Levee.CrashChild;

/// <summary>What a frame says.</summary>
public enum FrameKind : byte
{
    /// <summary>The tiers are open and the cache answers.</summary>
    Opened = 1,

    /// <summary>An operation is about to be submitted.</summary>
    Begin,

    /// <summary>An operation was answered, and the answer may be acknowledged.</summary>
    Ack,

    /// <summary>A read was answered.</summary>
    Read,

    /// <summary>All tiers have recovered.</summary>
    Recovered,

    /// <summary>How many entries the cache says that it has, in <see cref="Frame.Value"/>.</summary>
    Count,

    /// <summary>Reads for the check are over; the load begins.</summary>
    Loading,

    /// <summary>The child dies at a failpoint, whose name follows.</summary>
    Failpoint,

    /// <summary>A value was not what its own head says; text follows.</summary>
    Corrupt,

    /// <summary>The child cannot go on; text follows.</summary>
    Problem,

    /// <summary>The load is over: the reads that follow find what a clean stop must keep. Said again, they begin again.</summary>
    Stopping,

    /// <summary>The child has stopped cleanly.</summary>
    Stopped,
}

/// <summary>What an operation does.</summary>
public enum Act : byte
{
    Get,
    Set,
    SetIfAbsent,
    SetIfVersion,
    Delete,
    Expire,
    Increment,
    RemoveByTag,
    Clear,
}

/// <summary>
/// What the child tells its parent, one <c>write</c> each: what is in the pipe survives the child. Their order is the order of what they tell: a begin is written before its operation is submitted, an
/// acknowledgement after it was answered.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public record struct Frame
{
    /// <summary>Its length; a text follows where <see cref="TextLength"/> says so.</summary>
    public const int Bytes = 64;

    public FrameKind Kind;
    public Act Act;
    public Outcome Outcome;

    /// <summary>Whether all tiers had recovered when a read was submitted, so that a miss says something.</summary>
    public bool IsComplete;

    /// <summary>The value's tag; -1: none.</summary>
    public short Tag;
    public short TextLength;
    public int Key;

    /// <summary>How far the clock was behind the machine's, in milliseconds: at the least where an operation begins, at the most where it has been answered. Below 0: it was ahead.</summary>
    public int BehindMs;

    /// <summary>The operation's number: rises over all runs.</summary>
    public long Op;

    /// <summary>The number of the operation that wrote the value; a counter's value; a summand.</summary>
    public long Value;
    public ulong Version;
    public long ExpiresAt;

    /// <summary>The cache's clock before the operation was submitted.</summary>
    public long Clock;

    /// <summary>The cache's clock after it was answered.</summary>
    public long ClockAfter;
}
