using Levee.Operations;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>
/// The options of SET: EX, PX, EXAT, PXAT, KEEPTTL, NX, XX, IFEQ, IFNE, IFDEQ, IFDNE and GET as in Redis; SLIDING milliseconds, IFVERSION
/// version and TAG name (any number of times) are Levee's own.
/// </summary>
internal static class SetOptions
{
    /// <summary>Reads options from the fourth argument on.</summary>
    /// <returns>False with an error; <paramref name="comparison"/> is what the present value must be, where that is a condition.</returns>
    public static bool TryRead(
        RespConversation c, scoped in Arguments a, ref Operation operation, out Comparison? comparison, out string error)
    {
        comparison = null;
        var tags = 0;
        var expiry = 0;
        error = SyntaxError;
        for (var i = 3; i < a.Count; i++)
        {
            var option = a[i];
            var hasNext = i + 1 < a.Count;
            if (comparison is null && Is(option, "NX"u8) && operation.Condition is Condition.None or Condition.IfAbsent)
            {
                operation.Condition = Condition.IfAbsent;
            }
            else if (comparison is null && Is(option, "XX"u8) && operation.Condition is Condition.None or Condition.IfPresent)
            {
                operation.Condition = Condition.IfPresent;
            }
            else if (Is(option, "GET"u8))
            {
                operation.ReturnsPrevious = true;
            }
            else if (Is(option, "KEEPTTL"u8) && expiry == 0)
            {
                operation.KeepTtl = true;
            }
            else if (hasNext && comparison is null && operation.Condition == Condition.None && Comparison.IsOption(option))
            {
                if (!Comparison.TryRead(option, a[++i], out comparison, out error))
                {
                    return false;
                }

                error = SyntaxError;
            }
            else if (hasNext && comparison is null && Is(option, "IFVERSION"u8) && operation.Condition == Condition.None)
            {
                if (!TryVersion(a[++i], out var version))
                {
                    error = "ERR version is not an unsigned integer";
                    return false;
                }

                operation.Condition = Condition.IfVersion;
                operation.Version = version;
            }
            else if (hasNext && Is(option, "SLIDING"u8) && operation.SlidingMs == 0 && !operation.KeepTtl)
            {
                if (!TryInteger(a[++i], out var sliding) || sliding <= 0)
                {
                    error = "ERR sliding TTL is not a positive number of milliseconds";
                    return false;
                }

                operation.SlidingMs = sliding;
            }
            else if (hasNext && Is(option, "TAG"u8))
            {
                i++;
                tags++;
            }
            else if (hasNext && expiry == 0 && !operation.KeepTtl && IsExpiry(option))
            {
                expiry = i++;
            }
            else
            {
                return false;
            }
        }

        if (expiry > 0)
        {
            if (!TryReadExpiry(a[expiry], a[expiry + 1], c.Now, "set", out var expiresAt, out error))
            {
                return false;
            }

            operation.ExpiresAt = expiresAt;
        }

        return tags == 0 || TryReadTags(a, ref operation, out error);
    }

    /// <summary>Reads an expiry of the kinds EX, PX, EXAT and PXAT.</summary>
    public static bool TryReadExpiry(ReadOnlySpan<byte> option, ReadOnlySpan<byte> text, long now, string command, out long expiresAt, out string error)
    {
        expiresAt = 0;
        error = "";
        var isSeconds = Is(option, "EX"u8) || Is(option, "EXAT"u8);
        var isAbsolute = Is(option, "EXAT"u8) || Is(option, "PXAT"u8);
        if (TryInteger(text, out var time) && time > 0 && IsExpiry(option) && TryExpiry(text, isSeconds, isAbsolute, now, out expiresAt))
        {
            return true;
        }

        error = ExpiryError(option, text, command);
        return false;
    }

    /// <summary>The error for an expiry that cannot be read.</summary>
    public static string ExpiryError(ReadOnlySpan<byte> option, ReadOnlySpan<byte> text, string command) =>
        !IsExpiry(option) ? SyntaxError
        : !TryInteger(text, out _) ? NotAnInteger
        : $"ERR invalid expire time in '{command}' command";

    private static bool IsExpiry(ReadOnlySpan<byte> option) => Is(option, "EX"u8) || Is(option, "PX"u8) || Is(option, "EXAT"u8) || Is(option, "PXAT"u8);

    private static bool TryVersion(ReadOnlySpan<byte> text, out ulong version) =>
        System.Buffers.Text.Utf8Parser.TryParse(text, out version, out var consumed) && consumed == text.Length;

    private static bool TryReadTags(scoped in Arguments a, ref Operation operation, out string error)
    {
        var packed = new byte[Limits.MaxPackedTagsBytes];
        var length = 0;
        for (var i = 3; i < a.Count - 1; i++)
        {
            if (Is(a[i], "TAG"u8))
            {
                var written = TagList.Write(packed.AsSpan(length), a[++i]);
                if (written == 0)
                {
                    error = $"ERR a tag is 1 to {Limits.MaxTagBytes} bytes, all tags of an entry together at most {Limits.MaxPackedTagsBytes}";
                    return false;
                }

                length += written;
            }
            else if (Is(a[i], "IFVERSION"u8) || Is(a[i], "SLIDING"u8) || Comparison.IsOption(a[i]) || IsExpiry(a[i]))
            {
                i++;
            }
        }

        operation.Tags = packed.AsSpan(0, length);
        error = "";
        return true;
    }
}
