using Levee.Operations;

namespace Levee.Server.Resp;

/// <summary>The figures of a tier by name, as TIERS and INFO show them. The names are part of the protocol: more may come, none goes.</summary>
internal static class TierFields
{
    /// <summary>All figures; those of money only where they are known. A value is a string, a long or a double.</summary>
    public static IEnumerable<(string Name, object Value)> Of(TierStatistics tier)
    {
        IEnumerable<(string, object)> fields =
        [
            ("name", tier.Name),
            ("kind", tier.Kind),
            ("health", TierHealthText.Of(tier.Health)),
            ("problem", tier.Problem.ReplaceLineEndings(" ")),
            ("entries", tier.Entries),
            ("entries_below", tier.EntriesBelow),
            ("held_bytes", tier.HeldBytes),
            ("capacity_bytes", tier.CapacityBytes),
            ("index_bytes", tier.IndexBytes),
            ("hits", tier.Hits),
            ("misses", tier.Misses),
            ("failures", tier.Failures),
            ("demotions", tier.Demotions),
            ("drops", tier.Drops),
            ("carried_over", tier.CarriedOver),
            ("damaged", tier.Damaged),
            ("write_requests", tier.WriteRequests),
            ("read_requests", tier.ReadRequests),
            ("delete_requests", tier.DeleteRequests),
            ("written_bytes", tier.WrittenBytes),
            ("read_bytes", tier.ReadBytes),
            ("given_up_generations", tier.GivenUpGenerations),
            ("read_ms", tier.ReadMs),
        ];
        return tier.Cost is { } cost ? fields.Concat(Of(cost)) : fields;
    }

    private static IEnumerable<(string Name, object Value)> Of(TierCost cost) =>
    [
        ("request_dollars_per_day", cost.RequestDollarsPerDay),
        ("storage_dollars_per_day", cost.StorageDollarsPerDay),
        ("transfer_dollars_per_day", cost.TransferDollarsPerDay),
        ("dollars_per_day", cost.DollarsPerDay),
        ("saved_dollars_per_day", cost.SavedDollarsPerDay),
        ("net_dollars_per_day", cost.NetDollarsPerDay),
        ("saved_seconds_per_day", cost.SavedSecondsPerDay),
        ("period_seconds", cost.PeriodSeconds),
        ("price_source", cost.PriceSource.ReplaceLineEndings(" ")),
    ];
}
