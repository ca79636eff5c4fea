using System.Globalization;

namespace Levee.Tiers.Redis;

/// <summary>What the tier keeps in its state about the server: "run client place holds".</summary>
/// <param name="RunId">The server's life that holds the generation; empty: none does yet.</param>
/// <param name="ClientId">The connection that may have sent something last.</param>
/// <param name="Place">A hash of database, prefix and cache: elsewhere on the same server is another place.</param>
/// <param name="HoldsFromMs">No record came before this clock.</param>
internal readonly record struct RedisNote(string RunId, long ClientId, ulong Place, long HoldsFromMs)
{
    /// <summary>Reads a note; one that is not such a text is as none.</summary>
    public static RedisNote Parse(string text)
    {
        var parts = text.Split(' ');
        return parts.Length == 4
            && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var client)
            && ulong.TryParse(parts[2], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var place)
            && long.TryParse(parts[3], NumberStyles.None, CultureInfo.InvariantCulture, out var holds)
            ? new RedisNote(parts[0], client, place, holds)
            : new RedisNote("", 0, 0, 0);
    }

    /// <summary>The note's text.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{RunId} {ClientId} {Place:x} {HoldsFromMs}");
}
