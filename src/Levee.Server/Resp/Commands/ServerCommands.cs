using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text;
using Levee.Operations;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>Commands on the server: what it is, what it knows, how it does.</summary>
internal static class ServerCommands
{
    /// <summary>
    /// The version of Redis that is told to clients, who switch features by it: from 8.4 on StackExchange.Redis releases and extends its
    /// locks with DELEX and SET IFEQ, before with transactions.
    /// </summary>
    public const string RedisVersion = "8.4.0";

    /// <summary>Most patterns, commands or sections that one command names.</summary>
    private const int MaxNames = 256;

    public static readonly Command[] All =
    [
        new("command", -1, CommandInfo),
        new("info", -1, Info) { IsBarrier = true },
        new("config", -2, Config),
        new("time", 1, Time),
        new("wait", 3, (RespConversation c, scoped in Arguments a) => Zero(c)),
        new("cluster", -2, (RespConversation c, scoped in Arguments a) => Refuse(c, "ERR This instance has cluster support disabled")),
    ];

    private static bool Zero(RespConversation c)
    {
        ReplyFormatter.WriteInteger(c.Output, 0);
        return true;
    }

    private static bool Time(RespConversation c, scoped in Arguments a)
    {
        var now = c.Server.Now;
        ReplyFormatter.WriteArray(c.Output, 2);
        ReplyFormatter.WriteBulk(c.Output, (now / 1000).ToString());
        ReplyFormatter.WriteBulk(c.Output, (now % 1000 * 1000).ToString());
        return true;
    }

    private static bool CommandInfo(RespConversation c, scoped in Arguments a)
    {
        if (a.Count == 1)
        {
            ReplyFormatter.WriteArray(c.Output, CommandTable.All.Count);
            foreach (var command in CommandTable.All)
            {
                Describe(c, command);
            }
        }
        else if (Is(a[1], "COUNT"u8))
        {
            ReplyFormatter.WriteInteger(c.Output, CommandTable.All.Count);
        }
        else if (Is(a[1], "LIST"u8))
        {
            ReplyFormatter.WriteArray(c.Output, CommandTable.All.Count);
            foreach (var command in CommandTable.All)
            {
                ReplyFormatter.WriteBulk(c.Output, command.Name);
            }
        }
        else if (Is(a[1], "DOCS"u8))
        {
            ReplyFormatter.WriteMap(c.Output, 0, c.Version);
        }
        else if (Is(a[1], "INFO"u8))
        {
            if (a.Count - 2 > MaxNames)
            {
                return Refuse(c, $"ERR too many commands: at most {MaxNames}");
            }

            ReplyFormatter.WriteArray(c.Output, a.Count - 2);
            for (var i = 2; i < a.Count; i++)
            {
                if (CommandTable.Find(a[i]) is { } command)
                {
                    Describe(c, command);
                }
                else
                {
                    ReplyFormatter.WriteNull(c.Output, c.Version);
                }
            }
        }
        else
        {
            return Refuse(c, $"ERR unknown subcommand '{CommandTable.Printable(a[1], 64)}'. Try COMMAND, COMMAND COUNT, LIST, INFO, DOCS.");
        }

        return true;
    }

    private static void Describe(RespConversation c, Command command)
    {
        var output = c.Output;
        ReplyFormatter.WriteArray(output, 6);
        ReplyFormatter.WriteBulk(output, command.Name);
        ReplyFormatter.WriteInteger(output, command.Arity);
        ReplyFormatter.WriteArray(output, command.RunsUnauthenticated ? 2 : 1);
        ReplyFormatter.WriteSimple(output, command.IsWrite ? "write"u8 : "readonly"u8);
        if (command.RunsUnauthenticated)
        {
            ReplyFormatter.WriteSimple(output, "no_auth"u8);
        }

        ReplyFormatter.WriteInteger(output, command.Keys.First);
        ReplyFormatter.WriteInteger(output, command.Keys.Last);
        ReplyFormatter.WriteInteger(output, command.Keys.Step);
    }

    private static bool Config(RespConversation c, scoped in Arguments a)
    {
        if (Is(a[1], "RESETSTAT"u8))
        {
            return Refuse(c, "ERR counters are not reset; measure differences");
        }

        if (!Is(a[1], "GET"u8) || a.Count < 3)
        {
            return Refuse(c, "ERR only CONFIG GET is supported: options are flags, environment variables and keys of levee.json, read at the start");
        }

        if (a.Count - 2 > MaxNames)
        {
            return Refuse(c, $"ERR too many patterns: at most {MaxNames}");
        }

        var patterns = new List<GlobPattern>();
        for (var i = 2; i < a.Count; i++)
        {
            if (!GlobPattern.TryCreate(a[i], out var pattern))
            {
                return Refuse(c, GlobPattern.TooLong);
            }

            patterns.Add(pattern);
        }

        var options = Options(c).Where(o => patterns.Any(p => p.Matches(Encoding.ASCII.GetBytes(o.Name)))).ToList();
        ReplyFormatter.WriteMap(c.Output, options.Count, c.Version);
        foreach (var (name, value) in options)
        {
            ReplyFormatter.WriteBulk(c.Output, name);
            ReplyFormatter.WriteBulk(c.Output, value);
        }

        return true;
    }

    /// <summary>Redis' names for what clients ask when they connect.</summary>
    private static IEnumerable<(string Name, string Value)> Options(RespConversation c) =>
    [
        ("appendonly", "no"),
        ("databases", c.Server.Catalog.Caches.Count.ToString()),
        ("maxmemory", c.Server.MemoryBytes.ToString()),
        ("maxmemory-policy", "allkeys-lru"),
        ("proto-max-bulk-len", c.Cache.LargeValues.MaxValueBytes.ToString()),
        ("replica-read-only", "yes"),
        ("save", ""),
        ("timeout", "0"),
    ];

    private static bool Info(RespConversation c, scoped in Arguments a)
    {
        if (a.Count - 1 > MaxNames)
        {
            return Refuse(c, $"ERR too many sections: at most {MaxNames}");
        }

        var sections = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        for (var i = 1; i < a.Count; i++)
        {
            sections.Add(Encoding.ASCII.GetString(a[i]));
        }

        if (sections.Count == 0 || sections.Overlaps(["all", "default", "everything"]))
        {
            sections.UnionWith(["server", "clients", "memory", "persistence", "stats", "replication", "cpu", "cluster", "keyspace", "levee", "tiers", "prefetch"]);
        }

        c.RunSteps(InfoAsync(c, sections));
        return true;
    }

    private static async Task InfoAsync(RespConversation c, HashSet<string> sections)
    {
        var caches = new List<(string Name, PartitionStatistics Statistics, Unanswered? Missing)>();
        var tiers = new List<(string Name, object Value)>();
        var prefetch = new List<(string Name, object Value)>();
        foreach (var cache in c.Server.Catalog.Caches)
        {
            var statistics = (await Surveys.StatisticsAsync(c, cache)).TakePart(out var missing);
            caches.Add((cache.Name, statistics, missing));
            tiers.AddRange((await Surveys.TiersAsync(c, cache)).TakePart(out _).SelectMany(tier =>
                TierFields.Of(tier.Statistics).Select(field => ($"{cache.Name}_tier{tier.Number}_{field.Name}", field.Value))));
            if (sections.Contains("prefetch") && await PrefetchCommands.ReportAsync(c, cache) is { } report)
            {
                prefetch.AddRange(Prefetch(cache.Name, report));
            }
        }

        var sum = caches.Aggregate(new PartitionStatistics(), (total, cache) => total + cache.Statistics);
        var text = new StringBuilder();
        var server = c.Server;
        using var process = Process.GetCurrentProcess();
        Section(text, sections, "server",
            ("redis_version", RedisVersion),
            ("levee_version", typeof(ServerCommands).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0"),
            ("redis_mode", "standalone"),
            ("os", Environment.OSVersion.ToString()),
            ("arch_bits", "64"),
            ("process_id", Environment.ProcessId),
            ("tcp_port", server.EndPoint.Port),
            ("uptime_in_seconds", (server.Now - server.StartedAt) / 1000),
            ("uptime_in_days", (server.Now - server.StartedAt) / 86_400_000));
        Section(text, sections, "clients", ("connected_clients", server.ConnectionCount), ("blocked_clients", 0));
        Section(text, sections, "memory",
            ("used_memory", sum.HeldBytes),
            ("used_memory_rss", process.WorkingSet64),
            ("maxmemory", server.MemoryBytes),
            ("maxmemory_policy", "allkeys-lru"),
            ("levee_payload_bytes", sum.PayloadBytes),
            ("levee_index_bytes", sum.IndexBytes),
            ("levee_slab_bytes", sum.SlabBytes),
            ("levee_large_bytes", sum.LargeBytes));
        Section(text, sections, "persistence", ("loading", 0), ("rdb_changes_since_last_save", 0), ("aof_enabled", 0));
        Section(text, sections, "stats",
            ("total_connections_received", server.TotalConnections),
            ("total_commands_processed", server.TotalCommands),
            ("keyspace_hits", sum.Hits),
            ("keyspace_misses", sum.Misses),
            ("evicted_keys", sum.Evictions),
            ("expired_keys", sum.Expirations));
        Section(text, sections, "replication", ("role", "master"), ("connected_slaves", 0));
        Section(text, sections, "cpu",
            ("used_cpu_sys", process.PrivilegedProcessorTime.TotalSeconds),
            ("used_cpu_user", process.UserProcessorTime.TotalSeconds));
        Section(text, sections, "cluster", ("cluster_enabled", 0));
        Section(text, sections, "keyspace", [.. Keyspace(caches)]);
        foreach (var (name, statistics, missing) in caches)
        {
            Section(text, sections, "levee", [.. Levee(name, statistics, missing)]);
        }

        Section(text, sections, "tiers", tiers);
        Section(text, sections, "prefetch", prefetch);

        ReplyFormatter.WriteBulk(c.Output, text.ToString());
    }

    /// <summary>The keys of each cache that has any. What cannot be counted is said.</summary>
    private static IEnumerable<(string Name, object Value)> Keyspace(
        List<(string Name, PartitionStatistics Statistics, Unanswered? Missing)> caches)
    {
        for (var i = 0; i < caches.Count; i++)
        {
            var (_, statistics, missing) = caches[i];
            if (missing is not null || statistics.AllEntries > 0)
            {
                var uncounted = missing is null ? "" : $",unanswered={missing.Count}";
                yield return ($"db{i}", $"keys={statistics.AllEntries},expires=0,avg_ttl=0{uncounted}");
            }
        }
    }

    private static IEnumerable<(string Name, object Value)> Levee(string name, PartitionStatistics statistics, Unanswered? missing)
    {
        yield return ("cache", name);
        if (missing is not null)
        {
            yield return ("unanswered", missing);
        }

        yield return ("entries", statistics.Entries);
        yield return ("entries_below", statistics.EntriesBelow);
        yield return ("hits", statistics.Hits);
        yield return ("misses", statistics.Misses);
        yield return ("waits", statistics.Waits);
        yield return ("stores", statistics.Stores);
        yield return ("removals", statistics.Removals);
        yield return ("evictions", statistics.Evictions);
        yield return ("expirations", statistics.Expirations);
        yield return ("invalidations", statistics.Invalidations);
        yield return ("refusals", statistics.Refusals);
        yield return ("held_bytes", statistics.HeldBytes);
        yield return ("capacity_bytes", statistics.CapacityBytes);
        yield return ("policy", statistics.Policy);
        foreach (var list in statistics.Lists)
        {
            yield return ($"{statistics.Policy}_{list.Name.ToLowerInvariant()}_entries", list.Count);
            yield return ($"{statistics.Policy}_{list.Name.ToLowerInvariant()}_bytes", list.Bytes);
        }

        yield return ($"{statistics.Policy}_target_bytes", statistics.TargetBytes);
        if (statistics.Learning is not { } learning)
        {
            yield break;
        }

        yield return ("auto_objective", learning.Objective);
        yield return ("auto_switches", learning.Switch);
        yield return ("auto_reason", learning.Reason);
        yield return ("auto_samples_dropped", learning.Dropped);
        foreach (var candidate in learning.Candidates)
        {
            yield return ($"auto_sampled_hit_ratio_{candidate.Policy}", candidate.Worth.ToString("F4", CultureInfo.InvariantCulture));
        }

        foreach (var size in learning.WhatIfs)
        {
            yield return ($"auto_hit_ratio_at_{size.Factor.ToString(CultureInfo.InvariantCulture)}_times_the_memory", size.HitRatio.ToString("F4", CultureInfo.InvariantCulture));
        }
    }

    private static IEnumerable<(string Name, object Value)> Prefetch(string name, PrefetchReport report) =>
        PrefetchFields.Of(report).Select(field => ($"{name}_{field.Name}", field.Value)).Concat(
            (report.Learnt?.Buckets ?? []).SelectMany((bucket, i) => PrefetchFields.Of(bucket).Select(field => ($"{name}_bucket{i}_{field.Name}", field.Value))));

    private static void Section(StringBuilder text, HashSet<string> wanted, string name, params IReadOnlyList<(string Name, object Value)> fields)
    {
        if (!wanted.Contains(name))
        {
            return;
        }

        if (text.Length > 0)
        {
            text.Append("\r\n");
        }

        text.Append("# ").Append(char.ToUpperInvariant(name[0])).Append(name.AsSpan(1)).Append("\r\n");
        foreach (var (field, value) in fields)
        {
            text.Append(field).Append(':').Append(string.Create(CultureInfo.InvariantCulture, $"{value}")).Append("\r\n");
        }
    }
}
