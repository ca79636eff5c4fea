using System.Globalization;
using Levee.Operations;

namespace Levee.Server.Http;

/// <summary>How long an entry is to live: the cache's default, for ever, or a TTL, fixed or sliding.</summary>
internal readonly record struct Lifetime
{
    /// <summary>The longest TTL: 100 years of 365 days.</summary>
    public const long MaxMs = 100L * 365 * 24 * 60 * 60 * 1000;

    /// <summary>What a TTL may look like, for error texts.</summary>
    public const string Allowed = "a whole number and a unit (ms, s, m, h, d; none: seconds) from 1ms to 36500d, such as 60s, or 'none' for no expiry";

    private const long NeverMs = -1;

    private readonly long ttlMs;

    private Lifetime(long ttlMs, long slidingMs)
    {
        this.ttlMs = ttlMs;
        SlidingMs = slidingMs;
    }

    /// <summary>The sliding TTL in milliseconds, 0 where the expiry is fixed.</summary>
    public long SlidingMs { get; }

    /// <summary>Whether neither a TTL nor a sliding one was given.</summary>
    public bool IsDefault => ttlMs == 0 && SlidingMs == 0;

    /// <summary>The expiry as an operation takes it.</summary>
    public long ExpiresAt(long now) => ttlMs switch
    {
        0 => 0,
        NeverMs => Limits.Never,
        _ => now + ttlMs,
    };

    /// <summary>A TTL of a number of seconds; above the maximum it is the maximum, as RFC 9111 asks for.</summary>
    /// <returns>False where there are no such seconds.</returns>
    public static bool TryFromSeconds(string text, out Lifetime lifetime)
    {
        lifetime = default;
        if (text.Length == 0 || text.AsSpan().ContainsAnyExceptInRange('0', '9'))
        {
            return false;
        }

        var ms = long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds < MaxMs / 1000 ? seconds * 1000 : MaxMs;
        lifetime = new Lifetime(ms, 0);
        return ms > 0;
    }

    /// <summary>Reads a TTL such as <c>60s</c>, or <c>none</c>.</summary>
    public static bool TryParse(string text, out Lifetime lifetime)
    {
        lifetime = default;
        if (text == "none")
        {
            lifetime = new Lifetime(NeverMs, 0);
            return true;
        }

        if (!TryParseMs(text, out var ms))
        {
            return false;
        }

        lifetime = new Lifetime(ms, 0);
        return true;
    }

    /// <summary>Adds a sliding TTL such as <c>10m</c>; a TTL given as well then caps it.</summary>
    public bool TryAddSliding(string text, out Lifetime lifetime)
    {
        var isValid = TryParseMs(text, out var ms);
        lifetime = new Lifetime(ttlMs, ms);
        return isValid;
    }

    private static bool TryParseMs(string text, out long ms)
    {
        ms = 0;
        var digits = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        digits = digits < 0 ? text.Length : digits;
        long unit = text[digits..] switch
        {
            "ms" => 1,
            "" or "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            "d" => 24 * 60 * 60 * 1000,
            _ => 0,
        };
        if (unit == 0 || !long.TryParse(text.AsSpan(0, digits), NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number < 1 || number > MaxMs / unit)
        {
            return false;
        }

        ms = number * unit;
        return true;
    }
}
