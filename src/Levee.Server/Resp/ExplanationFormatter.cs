using System.Globalization;
using Levee.Operations;
using Levee.Resp;

namespace Levee.Server.Resp;

/// <summary>
/// Writes the reply of EXPLAIN: pairs of name and value, in RESP2 as a flat array. The names are part of the protocol: more may come, none goes. What is known of a resident alone is null where
/// the key is not resident.
/// </summary>
internal static class ExplanationFormatter
{
    private const int Pairs = 13;
    private const int PlacePairs = 5;

    /// <summary>Writes an explanation.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="explanation">What the engine says.</param>
    /// <param name="version">The protocol the client speaks.</param>
    /// <param name="now">The time, in Unix milliseconds: the client counts ages from it, whatever its own clock says.</param>
    public static void Write(ReplyBuffer output, EntryExplanation explanation, RespVersion version, long now)
    {
        ReplyFormatter.WriteMap(output, Pairs, version);
        Flag(output, "in_memory"u8, explanation.IsResident);
        Number(output, "partition"u8, explanation.Partition);
        Text(output, "list"u8, explanation.List);
        Flag(output, "ghost"u8, explanation.IsGhost);
        ReplyFormatter.WriteBulk(output, "version"u8);
        if (explanation.IsResident)
        {
            ReplyFormatter.WriteBulk(output, explanation.Version.ToString(CultureInfo.InvariantCulture));
        }
        else
        {
            ReplyFormatter.WriteNull(output, version);
        }

        OfResident(output, "written_at"u8, explanation, explanation.WrittenAt, version);
        OfResident(output, "expires_at"u8, explanation, explanation.ExpiresAt == Limits.Never ? -1 : explanation.ExpiresAt, version);
        OfResident(output, "value_bytes"u8, explanation, explanation.ValueBytes, version);
        OfResident(output, "memory_bytes"u8, explanation, explanation.MemoryBytes, version);
        Flag(output, "may_lie_below"u8, explanation.MayLieBelow);
        Flag(output, "loading"u8, explanation.IsLoading);
        Number(output, "now"u8, now);
        ReplyFormatter.WriteBulk(output, "places"u8);
        ReplyFormatter.WriteArray(output, explanation.Places.Count);
        foreach (var place in explanation.Places)
        {
            ReplyFormatter.WriteMap(output, PlacePairs, version);
            Text(output, "tier"u8, place.Tier);
            Text(output, "where"u8, place.Where);
            Number(output, "stored_bytes"u8, place.StoredBytes);
            Number(output, "since"u8, place.Since);
            Flag(output, "promoted"u8, place.IsPromoted);
        }
    }

    private static void OfResident(ReplyBuffer output, ReadOnlySpan<byte> name, EntryExplanation explanation, long value, RespVersion version)
    {
        if (explanation.IsResident)
        {
            Number(output, name, value);
            return;
        }

        ReplyFormatter.WriteBulk(output, name);
        ReplyFormatter.WriteNull(output, version);
    }

    private static void Flag(ReplyBuffer output, ReadOnlySpan<byte> name, bool value) => Number(output, name, value ? 1 : 0);

    private static void Number(ReplyBuffer output, ReadOnlySpan<byte> name, long value)
    {
        ReplyFormatter.WriteBulk(output, name);
        ReplyFormatter.WriteInteger(output, value);
    }

    private static void Text(ReplyBuffer output, ReadOnlySpan<byte> name, string value)
    {
        ReplyFormatter.WriteBulk(output, name);
        ReplyFormatter.WriteBulk(output, value);
    }
}
