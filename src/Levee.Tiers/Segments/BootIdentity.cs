using System.Buffers.Binary;

namespace Levee.Tiers.Segments;

/// <summary>
/// Which run of the operating system this is. Within one run, what was stored in a mapped file is still there after the process has died; after another boot it may not be.
/// </summary>
public sealed record BootIdentity
{
    /// <summary>Length of its binary form.</summary>
    internal const int Bytes = 24;

    private const string LinuxBootId = "/proc/sys/kernel/random/boot_id";

    /// <summary>How far two readings of one boot's instant may lie apart: clocks are set. Nothing boots twice in this time.</summary>
    private const long ToleranceMs = 5_000;

    private BootIdentity(Guid id, long instantMs)
    {
        Id = id;
        InstantMs = instantMs;
    }

    /// <summary>The system's own name for the boot; empty where it has none.</summary>
    public Guid Id { get; }

    /// <summary>Where it has none: when it booted, in Unix milliseconds, about.</summary>
    public long InstantMs { get; }

    /// <summary>A boot that the system names.</summary>
    public static BootIdentity Named(Guid id) => new(id, 0);

    /// <summary>A boot that is known by its instant.</summary>
    public static BootIdentity At(long instantMs) => new(Guid.Empty, instantMs);

    /// <summary>This one.</summary>
    public static BootIdentity Current(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        try
        {
            if (File.Exists(LinuxBootId) && Guid.TryParse(File.ReadAllText(LinuxBootId), out var id) && id != Guid.Empty)
            {
                return Named(id);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Then the instant has to do.
        }

        return At(time.GetUtcNow().ToUnixTimeMilliseconds() - Environment.TickCount64);
    }

    /// <summary>Whether both are the same boot. In doubt they are not.</summary>
    public bool IsSameAs(BootIdentity other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Id == other.Id && (Id != Guid.Empty || Math.Abs(InstantMs - other.InstantMs) <= ToleranceMs);
    }

    internal static BootIdentity Read(ReadOnlySpan<byte> bytes) => new(new Guid(bytes[..16]), BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]));

    internal void Write(Span<byte> bytes)
    {
        Id.TryWriteBytes(bytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], InstantMs);
    }
}
