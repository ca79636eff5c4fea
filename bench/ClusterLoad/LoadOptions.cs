using System.Globalization;
using System.Net;

namespace Levee.ClusterLoad;

/// <summary>What the command line asks for.</summary>
internal sealed class LoadOptions
{
    public const string Usage = """
        Usage: ClusterLoad --servers host:port,... [options]
          --servers list       RESP servers; connections are spread over them, and go to another one when theirs goes away
          --watch list         servers that get a connection each that stays theirs, only reads, and waits as long as it takes
          --watch-rate n       reads per second on each of those (200)
          --connections n      connections (16)
          --rate n             requests per second of all connections (20000)
          --pipeline n         requests that are sent together where so many are due (8)
          --keys n             keys (200000)
          --zipf s             exponent of their popularity (0.99); 0: all alike
          --read share         share of reads (0.9); a read that misses is followed by a write of its key
          --delete share       share of deletes (0.0005)
          --value bytes        length of values (100)
          --seconds n          how long (60); SIGTERM ends it earlier, with its report
          --timeout ms         a request without an answer for so long is given up, with its connection (5000)
          --partitions n       partitions of the cache, for what is said of each partition (64)
          --preload yes|no     writes every key once before (yes)
          --events file        file or named pipe with a line for each thing that somebody does to the servers
          --json file          the report as JSON
          --seed n             seed of all chance (1)
        """;

    private static readonly char[] Comma = [','];

    public IReadOnlyList<DnsEndPoint> Servers { get; private set; } = [];

    public IReadOnlyList<DnsEndPoint> Watched { get; private set; } = [];

    public int WatchRate { get; private set; } = 200;

    public int Connections { get; private set; } = 16;

    public int Rate { get; private set; } = 20_000;

    public int Pipeline { get; private set; } = 8;

    public int Keys { get; private set; } = 200_000;

    public double Zipf { get; private set; } = 0.99;

    public double ReadShare { get; private set; } = 0.9;

    public double DeleteShare { get; private set; } = 0.0005;

    public int ValueBytes { get; private set; } = 100;

    public int Seconds { get; private set; } = 60;

    public TimeSpan Timeout { get; private set; } = TimeSpan.FromSeconds(5);

    public int Partitions { get; private set; } = 64;

    public bool Preloads { get; private set; } = true;

    public string? EventsFile { get; private set; }

    public string? JsonFile { get; private set; }

    public int Seed { get; private set; } = 1;

    /// <summary>Reads the command line.</summary>
    /// <exception cref="ArgumentException">An option is unknown or its value is wrong; the message says which, and what is allowed.</exception>
    public static LoadOptions Parse(ReadOnlySpan<string> arguments)
    {
        var options = new LoadOptions();
        for (var i = 0; i < arguments.Length; i += 2)
        {
            var value = i + 1 < arguments.Length ? arguments[i + 1] : throw new ArgumentException($"{arguments[i]} needs a value");
            options.Set(arguments[i], value);
        }

        return options.Servers.Count > 0 ? options : throw new ArgumentException("--servers names no server");
    }

    private void Set(string name, string value)
    {
        switch (name)
        {
            case "--servers": Servers = EndPoints(value); break;
            case "--watch": Watched = EndPoints(value); break;
            case "--watch-rate": WatchRate = Whole(name, value, 1, 100_000); break;
            case "--connections": Connections = Whole(name, value, 1, 10_000); break;
            case "--rate": Rate = Whole(name, value, 1, 10_000_000); break;
            case "--pipeline": Pipeline = Whole(name, value, 1, 1000); break;
            case "--keys": Keys = Whole(name, value, 1, 100_000_000); break;
            case "--zipf": Zipf = Share(name, value, 5); break;
            case "--read": ReadShare = Share(name, value, 1); break;
            case "--delete": DeleteShare = Share(name, value, 1); break;
            case "--value": ValueBytes = Whole(name, value, ValueFormat.LeastBytes, 1 << 20); break;
            case "--seconds": Seconds = Whole(name, value, 1, 1_000_000); break;
            case "--timeout": Timeout = TimeSpan.FromMilliseconds(Whole(name, value, 1, 3_600_000)); break;
            case "--partitions": Partitions = Whole(name, value, 1, 1024); break;
            case "--preload": Preloads = value == "yes" || (value == "no" ? false : throw new ArgumentException($"--preload is '{value}'; allowed: yes, no")); break;
            case "--events": EventsFile = value; break;
            case "--json": JsonFile = value; break;
            case "--seed": Seed = Whole(name, value, 0, int.MaxValue); break;
            default: throw new ArgumentException($"unknown option {name}");
        }
    }

    private static DnsEndPoint[] EndPoints(string value) =>
        [.. value.Split(Comma, StringSplitOptions.RemoveEmptyEntries).Select(server =>
        {
            var colon = server.LastIndexOf(':');
            return colon > 0 && int.TryParse(server.AsSpan(colon + 1), CultureInfo.InvariantCulture, out var port)
                ? new DnsEndPoint(server[..colon], port)
                : throw new ArgumentException($"'{server}' is no server; allowed: host:port");
        })];

    private static int Whole(string name, string value, int least, int most) =>
        int.TryParse(value, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw new ArgumentException($"{name} is '{value}'; allowed: {least} to {most}");

    private static double Share(string name, string value, double most) =>
        double.TryParse(value, CultureInfo.InvariantCulture, out var number) && number >= 0 && number <= most
            ? number
            : throw new ArgumentException($"{name} is '{value}'; allowed: 0 to {most}");
}
