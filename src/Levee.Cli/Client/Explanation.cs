namespace Levee.Cli.Client;

/// <summary>The reply to <c>EXPLAIN</c> in plain words.</summary>
internal static class Explanation
{
    private const long Never = -1;
    private const string Prefetched = "prefetched";

    /// <summary>Whether the entry lies anywhere, or may turn up in a moment.</summary>
    public static bool HasEntry(ReplyFields explanation) => explanation.IsSet("in_memory") || explanation.IsSet("loading") || explanation.List("places").Count > 0;

    /// <summary>What there is to say: memory first, then each tier, then what the next read will do.</summary>
    public static IEnumerable<string> Lines(ReplyFields explanation)
    {
        var now = explanation.Integer("now");
        var places = explanation.List("places");
        var isResident = explanation.IsSet("in_memory");
        if (isResident)
        {
            var list = ListOf(explanation.Text("list"));
            yield return explanation.Text("list") == Prefetched
                ? "in memory, because it was prefetched; it has not been used since, and leaves again unless it is used soon"
                : $"in memory{(list.Length == 0 ? "" : ", on ")}{list}";
            yield return $"  version {explanation.Text("version")}, written {Amounts.Ago(explanation.Integer("written_at"), now)}, {Expiry(explanation.Integer("expires_at"), now)}";
            yield return $"  value {Amounts.Bytes(explanation.Integer("value_bytes"))}, {Amounts.Bytes(explanation.Integer("memory_bytes"))} of the memory budget";
        }
        else
        {
            yield return places.Count == 0 ? "neither in memory nor in a tier" : "not in memory";
        }

        foreach (var place in places)
        {
            yield return $"{(isResident ? "also in" : "in")} {PlaceOf(place, now)}";
        }

        if (isResident && places.Count == 0 && explanation.IsSet("may_lie_below"))
        {
            yield return "a tier may hold the same version";
        }

        if (explanation.IsSet("loading"))
        {
            yield return "it is being loaded from a tier now";
        }

        var ghosts = explanation.IsSet("ghost") && explanation.Text("list") != Prefetched ? GhostsOf(explanation.Text("list")) : "";
        if (!isResident && places.Count > 0)
        {
            yield return ghosts.Length > 0
                ? $"its next read brings it back to memory at once, because the policy remembers it {ghosts}"
                : "its next read is answered from there; it comes back to memory with that read where there is room or the tier is dear to read, else with the second one";
        }
        else if (ghosts.Length > 0)
        {
            yield return $"the policy remembers it {ghosts}";
        }
    }

    private static string PlaceOf(ReplyFields place, long now)
    {
        var parts = new List<string> { $"{place.Text("tier")}: {place.Text("where")}" };
        if (place.IsSet("since"))
        {
            parts.Add($"written {Amounts.Ago(place.Integer("since"), now)}");
        }

        if (place.IsSet("stored_bytes"))
        {
            parts.Add(Amounts.Bytes(place.Integer("stored_bytes")));
        }

        if (place.IsSet("promoted"))
        {
            parts.Add("kept when it was brought back to memory: unless it changes, its next eviction writes nothing");
        }

        return string.Join(", ", parts);
    }

    private static string Expiry(long expiresAt, long now) =>
        expiresAt == Never ? "never expires" : expiresAt <= now ? "expired" : $"expires in {Amounts.Span(expiresAt - now)}";

    private static string ListOf(string list) => list switch
    {
        "" => "",
        "T1" => "ARC's recent list (T1): used once of late",
        "T2" => "ARC's frequent list (T2): used more than once of late",
        _ => $"the policy's list {list}",
    };

    private static string GhostsOf(string list) => list switch
    {
        "B1" => "on ARC's ghost list B1: used once before it was evicted",
        "B2" => "on ARC's ghost list B2: used more than once before it was evicted",
        _ => $"on its ghost list {list}",
    };
}
