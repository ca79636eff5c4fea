using System.Buffers.Text;
using Levee.Resp;

namespace Levee.Tiers.Redis;

/// <summary>Encodes the tier's three bulk commands.</summary>
internal static class RedisCommands
{
    /// <summary>The most bytes of a SET beside its name and its record.</summary>
    public const int SetOverheadBytes = 120;

    /// <summary>The most bytes of a GET beside its name.</summary>
    public const int GetOverheadBytes = 48;

    private static ReadOnlySpan<byte> SetHead => "*3\r\n$3\r\nSET\r\n"u8;

    private static ReadOnlySpan<byte> SetHeadWithTtl => "*5\r\n$3\r\nSET\r\n"u8;

    private static ReadOnlySpan<byte> GetHead => "*2\r\n$3\r\nGET\r\n"u8;

    private static ReadOnlySpan<byte> UnlinkHead => "$6\r\nUNLINK\r\n"u8;

    /// <summary>SET name record [PX ttl].</summary>
    public static int WriteSet(Span<byte> destination, RedisNames names, ulong hash, ReadOnlySpan<byte> record, long ttlMs)
    {
        var head = ttlMs > 0 ? SetHeadWithTtl : SetHead;
        head.CopyTo(destination);
        var position = head.Length;
        position += WriteName(destination[position..], names, hash);
        position += RespWriter.WriteBulkString(destination[position..], record);
        if (ttlMs > 0)
        {
            Span<byte> digits = stackalloc byte[20];
            Utf8Formatter.TryFormat(ttlMs, digits, out var count);
            position += RespWriter.WriteBulkString(destination[position..], "PX"u8);
            position += RespWriter.WriteBulkString(destination[position..], digits[..count]);
        }

        return position;
    }

    /// <summary>GET name.</summary>
    public static int WriteGet(Span<byte> destination, RedisNames names, ulong hash)
    {
        GetHead.CopyTo(destination);
        return GetHead.Length + WriteName(destination[GetHead.Length..], names, hash);
    }

    /// <summary>UNLINK name [name ...].</summary>
    public static int WriteUnlink(Span<byte> destination, RedisNames names, ReadOnlySpan<ulong> hashes)
    {
        var position = RespWriter.WriteArrayHeader(destination, hashes.Length + 1);
        UnlinkHead.CopyTo(destination[position..]);
        position += UnlinkHead.Length;
        foreach (var hash in hashes)
        {
            position += WriteName(destination[position..], names, hash);
        }

        return position;
    }

    private static int WriteName(Span<byte> destination, RedisNames names, ulong hash)
    {
        var position = RespWriter.WriteBulkHeader(destination, names.Length);
        names.Write(hash, destination[position..]);
        position += names.Length;
        return position + RespWriter.WriteLineEnd(destination[position..]);
    }
}
