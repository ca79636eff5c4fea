using System.Net;
using System.Net.Sockets;

namespace Levee.Server;

/// <summary>What a client whose address has guessed wrong passwords before must do with its next attempt.</summary>
/// <param name="Delay">How long the attempt waits before the password is looked at; zero: not at all.</param>
/// <param name="IsRefused">Whether it is not looked at: as many attempts as may wait are waiting.</param>
public readonly record struct GuessTurn(TimeSpan Delay, bool IsRefused);

/// <summary>
/// Slows down who guesses passwords. Failures are counted by address (an IPv6 network of 64 bits counts as one). The first few cost nothing; after that each attempt from the address waits, twice as long as the one before up to
/// <see cref="LongestDelay"/>, before its password is looked at. The right password waits as a wrong one does: a client that got its answer sooner would tell a guesser when to stop waiting.
/// <para>
/// Bounds: a wait outlives its connection, so that connecting anew does not save it. At most <see cref="MostWaitingOfAddress"/> attempts of an address wait, so an address guesses at most so often in each
/// <see cref="LongestDelay"/>, and a right password among a few guessers comes in after one delay. At most <see cref="MostWaiting"/> wait in all. Addresses without failures never wait and are never refused, whatever others do.
/// At most <see cref="MostAddresses"/> addresses are remembered; beyond that the one whose failure is the oldest is forgotten, as each is after <see cref="Memory"/>.
/// </para>
/// Pure: told the time in milliseconds of any clock that does not go back. Safe for threads.
/// </summary>
public sealed class PasswordGuesses
{
    /// <summary>Failures that cost nothing: people mistype.</summary>
    public const int FreeFailures = 3;

    /// <summary>Most attempts of one address that wait at a time.</summary>
    public const int MostWaitingOfAddress = 32;

    /// <summary>Most attempts that wait at a time.</summary>
    public const int MostWaiting = 512;

    /// <summary>Most addresses that are remembered.</summary>
    public const int MostAddresses = 4096;

    /// <summary>The first wait.</summary>
    public static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest wait.</summary>
    public static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(2);

    /// <summary>How long after its last failure an address is forgotten.</summary>
    public static readonly TimeSpan Memory = TimeSpan.FromMinutes(5);

    private readonly Lock gate = new();
    private readonly Dictionary<IPAddress, Suspect> suspects = [];
    private int waiting;

    // Read without the lock: as long as nobody has failed, an attempt costs one load.
    private volatile int count;

    /// <summary>Asks for a turn. Every turn with a delay ends with <see cref="End"/>.</summary>
    public GuessTurn Begin(IPAddress address, long nowMs)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (count == 0)
        {
            return default;
        }

        lock (gate)
        {
            var key = KeyOf(address);
            if (!suspects.TryGetValue(key, out var suspect))
            {
                return default;
            }

            if (nowMs - suspect.LastFailureMs > Memory.TotalMilliseconds && suspect.Waiting == 0)
            {
                Forget(key);
                return default;
            }

            var delay = DelayOf(suspect.Failures);
            if (delay == TimeSpan.Zero)
            {
                return default;
            }

            if (suspect.Waiting == MostWaitingOfAddress || waiting == MostWaiting)
            {
                return new GuessTurn(delay, IsRefused: true);
            }

            suspect.Waiting++;
            waiting++;
            return new GuessTurn(delay, IsRefused: false);
        }
    }

    /// <summary>A turn with a delay has been waited for.</summary>
    public void End(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        lock (gate)
        {
            waiting--;
            if (suspects.TryGetValue(KeyOf(address), out var suspect))
            {
                suspect.Waiting--;
            }
        }
    }

    /// <summary>A password was wrong.</summary>
    /// <returns>How many have been wrong from this address, as far as it is remembered.</returns>
    public int Fail(IPAddress address, long nowMs)
    {
        ArgumentNullException.ThrowIfNull(address);
        lock (gate)
        {
            var key = KeyOf(address);
            if (!suspects.TryGetValue(key, out var suspect))
            {
                if (suspects.Count == MostAddresses && suspects.Where(static known => known.Value.Waiting == 0).MinBy(static known => known.Value.LastFailureMs) is { Key: { } oldest })
                {
                    Forget(oldest);
                }

                suspects[key] = suspect = new Suspect();
                count = suspects.Count;
            }

            suspect.LastFailureMs = nowMs;
            return ++suspect.Failures;
        }
    }

    /// <summary>How many addresses are remembered.</summary>
    internal int AddressCount => count;

    private static TimeSpan DelayOf(int failures) => failures <= FreeFailures ? TimeSpan.Zero
        : TimeSpan.FromTicks(Math.Min(LongestDelay.Ticks, FirstDelay.Ticks << Math.Min(failures - FreeFailures - 1, 16)));

    private static IPAddress KeyOf(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
        {
            return address.MapToIPv4();
        }

        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return address;
        }

        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        bytes[8..].Clear();
        return new IPAddress(bytes);
    }

    private void Forget(IPAddress key)
    {
        suspects.Remove(key);
        count = suspects.Count;
    }

    private sealed class Suspect
    {
        public int Failures { get; set; }

        public long LastFailureMs { get; set; }

        public int Waiting { get; set; }
    }
}
