using Levee.Hosting;
using Levee.Tiers;

namespace Levee.Serving;

/// <summary>
/// One option of a server: a flag <c>--name</c>, an environment variable <c>LEVEE__NAME</c> (dashes as underscores) and a key <c>"name"</c> of levee.json, in this order of precedence.
/// </summary>
/// <param name="Name">The flag without its dashes.</param>
/// <param name="Value">What the value looks like, for the help.</param>
/// <param name="Default">The default as it would be written; empty: none.</param>
/// <param name="Allowed">What is allowed, for the help and for refusals.</param>
/// <param name="Description">What it does.</param>
public sealed record ServeOption(string Name, string Value, string Default, string Allowed, string Description)
{
    private const string Prefix = "LEVEE__";

    /// <summary><c>--resp-port</c>.</summary>
    public static readonly ServeOption RespPort = new("resp-port", "port", "7379", "0 to 65535; 0: any free port", "port of the RESP listener");
    /// <summary><c>--http-port</c>.</summary>
    public static readonly ServeOption HttpPort = new("http-port", "port", "7380", "0 to 65535; 0: any free port", "port of the HTTP listener");
    /// <summary><c>--bind</c>.</summary>
    public static readonly ServeOption Bind = new("bind", "address", "127.0.0.1", "an IP address of this machine, written in full",
        "address that both listeners bind to; any but a loopback address opens them to the network, and then --password or --insecure is needed");
    /// <summary><c>--insecure</c>.</summary>
    public static readonly ServeOption Insecure = new("insecure", "yes/no", "no", "yes, no",
        "starts without a password although --bind opens the listeners to the network: whoever reaches them may read and change everything") { Bare = "yes" };
    /// <summary><c>--http-hosts</c>.</summary>
    public static readonly ServeOption HttpHosts = new("http-hosts", "names", "", "host names without ports, separated by commas, such as cache.example.com; *: any",
        "names by which HTTP clients may call this server, beside localhost and its addresses; a request for another name is refused, since it may be a web page's (DNS rebinding)");
    /// <summary><c>--memory</c>.</summary>
    public static readonly ServeOption Memory = new("memory", "size", "", "a size such as 512mb or 4gb, at least 16mb for each cache", "memory budget of all caches together; default: half of what the machine or its cgroup allows");
    /// <summary><c>--caches</c>.</summary>
    public static readonly ServeOption Caches = new("caches", "name=size,...", "", "names (letters, digits, '-', '_', '.', not beginning with '.') with sizes, separated by commas", "further named caches, their memory taken out of --memory; RESP clients SELECT them by number or name");
    /// <summary><c>--policy</c>.</summary>
    public static readonly ServeOption Policy = new("policy", "name", "arc", string.Join(", ", CacheOptions.AllowedPolicies), "eviction policy; auto compares the others on a sample of the keys and hands over to another where that is better");
    /// <summary><c>--policy-objective</c>.</summary>
    public static readonly ServeOption PolicyObjective = new("policy-objective", "name", "objects", "objects, bytes, money; money needs --origin-cost with dollars, or a tier whose reads cost something", "what a hit is worth to the policies auto and gdsf: each the same, its bytes, or the money that it saves");
    /// <summary><c>--default-ttl</c>.</summary>
    public static readonly ServeOption DefaultTtl = new("default-ttl", "time", "0", "a time such as 60s, 15m or 7d; 0: none", "TTL of entries that are written without one");
    /// <summary><c>--default-ttl-jitter</c>.</summary>
    public static readonly ServeOption DefaultTtlJitter = new("default-ttl-jitter", "time", "0", "a time from 0 to the default TTL", "a random part of up to this is taken off the default TTL");
    /// <summary><c>--max-value</c>.</summary>
    public static readonly ServeOption MaxValue = new("max-value", "size", "", "a size up to the smaller of 64mb and a sixteenth of the cache's memory, which is the default", "longest value");
    /// <summary><c>--partitions</c>.</summary>
    public static readonly ServeOption Partitions = new("partitions", "count", "0", "a power of two from 1 to 1024; 0: one for each 128mb (a silo: each 16mb), at most 64", "partitions of each cache");
    /// <summary><c>--data-dir</c>.</summary>
    public static readonly ServeOption DataDir = new("data-dir", "folder", "levee-data", "a folder that can be written; created where absent", "folder that belongs to this server alone while it runs: tiers keep their state, and the files tier its entries, in it");
    /// <summary><c>--tier</c>.</summary>
    public static readonly ServeOption Tier = new("tier", "address", "file", TierAddress.Allowed, "what lies below memory, warmest first: give it once per tier, or several separated by blanks; file: files in the data directory; none: memory alone") { IsList = true, Shown = TierAddress.Masked };
    /// <summary><c>--tier-capacity</c>.</summary>
    public static readonly ServeOption TierCapacity = new("tier-capacity", "size", "", "a size such as 10gb, at least 64mb, for each tier in their order, separated by commas", "what all caches together may hold in each tier; default: ten times the memory, for files at most half of what is free on the disk");
    /// <summary><c>--durability</c>.</summary>
    public static readonly ServeOption Durability = new("durability", "mode", "evict", "evict, through", "evict: entries go down when memory evicts them; through: a write is acknowledged when the first tier has it");
    /// <summary><c>--fsync</c>.</summary>
    public static readonly ServeOption Fsync = new("fsync", "yes/no", "no", "yes, no", "whether what tiers must not lose is on the disk, not only with the operating system, before it is acknowledged: that survives the loss of power too");
    /// <summary><c>--compress</c>.</summary>
    public static readonly ServeOption Compress = new("compress", "algorithm", "none", "none; zlib or zlib:1 to zlib:9; brotli or brotli:0 to brotli:11", "compresses what leaves memory; needs a tier");
    /// <summary><c>--compress-above</c>.</summary>
    public static readonly ServeOption CompressAbove = new("compress-above", "size", "1kb", "a size up to 1gb", "bodies that are shorter stay as they are");
    /// <summary><c>--encryption-keys</c>.</summary>
    public static readonly ServeOption Keys = new("encryption-keys", "source", "", "a file, or env:NAME for an environment variable, with lines 'id base64', the active key first", "encrypts what leaves memory with AES-256-GCM; needs a tier") { Shown = Hidden };
    /// <summary><c>--tier-prices</c>.</summary>
    public static readonly ServeOption TierPrices = new("tier-prices", "prices", "", "for each tier in their order, separated by ';': 'put=5.00/M get=0.40/M delete=0/M gb-month=0.023 gb-out=0.09 gb-hour=0', or nothing for the defaults of its kind", "what the tiers cost, in US dollars");
    /// <summary><c>--origin-cost</c>.</summary>
    public static readonly ServeOption OriginCost = new("origin-cost", "cost", "", "such as 'ms=20' or 'ms=20 dollars=0.000002'", "what one load from the origin costs, in time and US dollars: then 'levee tiers' says what is saved, and what is not worth its price is not taken down");
    /// <summary><c>--prefetch</c>.</summary>
    public static readonly ServeOption Prefetch = new("prefetch", "on/off", "on", "on, off", "whether entries are brought up from the tiers ahead of their use: those that clients hint at, and those whose use can be foreseen; without tiers there is nothing to bring up");
    /// <summary><c>--user</c>.</summary>
    public static readonly ServeOption User = new("user", "name", "default", "1 to 64 characters", "user that AUTH may name beside 'default'; needs --password");
    /// <summary><c>--password</c>.</summary>
    public static readonly ServeOption Password = new("password", "text", "", "any text; better in the environment than on a command line", "password that RESP clients, and HTTP clients by Basic authentication, must give") { Shown = Hidden };
    /// <summary><c>--max-connections</c>.</summary>
    public static readonly ServeOption MaxConnections = new("max-connections", "count", "10000", "1 to 1000000", "RESP connections at a time; further ones are closed at once");
    /// <summary><c>--idle-timeout</c>.</summary>
    public static readonly ServeOption IdleTimeout = new("idle-timeout", "time", "0", "a time such as 300s; 0: never", "RESP connections on which nothing arrives for this long are closed");
    /// <summary><c>--stop-timeout</c>.</summary>
    public static readonly ServeOption StopTimeout = new(
        "stop-timeout",
        "time",
        "5m",
        "a time from 1s to 24h",
        "how long a stop may take to hand partitions over to other silos and to take memory down to the tiers; what is left then is lost, and counted");
    /// <summary><c>--io-threads</c>.</summary>
    public static readonly ServeOption IoThreads = new("io-threads", "count", "0", "1 to 256; 0: half of the cores", "I/O threads of the RESP listener");
    /// <summary><c>--transport</c>.</summary>
    public static readonly ServeOption Transport = new("transport", "name", "auto", "auto, sockets", "auto: epoll on Linux, the portable sockets elsewhere");
    /// <summary><c>--log-level</c>.</summary>
    public static readonly ServeOption LogLevel = new("log-level", "level", "warning", "trace, debug, information, warning, error, none", "what is logged to standard error");

    /// <summary>All options of <c>levee serve</c>, in the order of the help.</summary>
    public static IReadOnlyList<ServeOption> All { get; } =
    [
        RespPort, HttpPort, Bind, Insecure, HttpHosts, Memory, Caches, Policy, PolicyObjective, DefaultTtl, DefaultTtlJitter, MaxValue, Partitions, DataDir, Tier, TierCapacity, Durability, Fsync, Compress, CompressAbove, Keys, TierPrices, OriginCost, Prefetch, User, Password, MaxConnections, IdleTimeout, StopTimeout, IoThreads, Transport, LogLevel,
    ];

    /// <summary>Whether the flag may be given several times; the values are then separated by blanks.</summary>
    public bool IsList { get; init; }

    /// <summary>What the flag stands for without a value; null: it needs one.</summary>
    public string? Bare { get; init; }

    /// <summary>A key of the standard configuration that is asked where the option is not given; null: none.</summary>
    public string? Standard { get; init; }

    /// <summary>Makes of a value what a message may show of it: values can be secrets, or hold them.</summary>
    public Func<string, string> Shown { get; init; } = static text => text;

    /// <summary>The flag.</summary>
    public string Flag => "--" + Name;

    /// <summary>The environment variable.</summary>
    public string Variable => Prefix + Name.ToUpperInvariant().Replace('-', '_');

    /// <summary>What a message shows of a value that is a secret.</summary>
    internal static string Hidden(string text) => text.Length == 0 ? "" : "(not shown)";

    /// <summary>Environment variables that look like an option and are none of these.</summary>
    public static IEnumerable<string> UnknownVariables(IEnumerable<string> names, IReadOnlyList<ServeOption> options) =>
        names.Where(name => name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) && !options.Any(o => string.Equals(o.Variable, name, StringComparison.OrdinalIgnoreCase)));
}
