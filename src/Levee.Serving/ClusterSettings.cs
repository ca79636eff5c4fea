using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Configuration;

namespace Levee.Serving;

/// <summary>What a silo was told beside what every server is told, checked.</summary>
/// <param name="Join">The first silo of a localhost cluster, which this one joins; null: none.</param>
/// <param name="Name">The silo's lasting name; empty: to be made of machine and port.</param>
/// <param name="ClusterId">The cluster.</param>
/// <param name="ServiceId">The service.</param>
/// <param name="SiloPort">The port for silos; 0: any free one.</param>
/// <param name="GatewayPort">The port for clients; 0: any free one.</param>
/// <param name="Advertise">The address of both ports; null: to be chosen.</param>
/// <param name="Clustering">"localhost", the name of a <see cref="ClusterProvider"/>, or empty: as configured.</param>
/// <param name="Connection">Where the provider's store is; empty: as configured.</param>
/// <param name="IsInKubernetes">Whether the pod says name and address.</param>
/// <param name="Lease">How long a silo serves without the membership table.</param>
/// <param name="HasDashboard">Whether Orleans' dashboard is served.</param>
/// <param name="Tls">TLS between silos and to clients; null: none.</param>
public sealed record ClusterSettings(
    IPEndPoint? Join,
    string Name,
    string ClusterId,
    string ServiceId,
    int SiloPort,
    int GatewayPort,
    IPAddress? Advertise,
    string Clustering,
    string Connection,
    bool IsInKubernetes,
    TimeSpan Lease,
    bool HasDashboard,
    TlsSettings? Tls)
{
    /// <summary>How far the ports of silos on one machine are apart: RESP and HTTP are neighbours.</summary>
    private const int PortStep = 10;

    private const int MostSilosOnOneMachine = 100;

    /// <summary>A silo's name, the service's and a cache's are parts of names that a store takes up to 200 letters of.</summary>
    private const int LongestName = 40;

    private static readonly ServeOption[] Ports = [ServeOption.RespPort, ServeOption.HttpPort, ClusterOption.SiloPort, ClusterOption.GatewayPort];

    /// <summary>The port options that were given: these are not moved.</summary>
    private IReadOnlyList<ServeOption> GivenPorts { get; init; } = [];

    /// <summary>The silo's name within everything that is shared with other clusters.</summary>
    public string LastingName => $"{Name}.{ServiceId}";

    /// <summary>The address of the silo port, as far as it is known.</summary>
    public IPAddress Address => Advertise ?? IPAddress.Loopback;

    /// <summary>Never the connection, which may hold a password.</summary>
    public override string ToString() => $"{Name} of {ClusterId}, {(Clustering.Length == 0 ? "as configured" : Clustering)}";

    /// <summary>Reads and checks the cluster's options.</summary>
    /// <param name="read">Gives the text of an option and where it came from, or null for its default.</param>
    /// <param name="configuration">Where Orleans' standard keys are looked up for what was not given.</param>
    /// <exception cref="OptionException">A value is not allowed.</exception>
    public static ClusterSettings Read(Func<ServeOption, (string Text, string Source)?> read, IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(read);
        ArgumentNullException.ThrowIfNull(configuration);
        var values = new OptionValues(option => read(option) ?? (option.Standard is { } key && configuration[key] is { } text ? (text, key) : null));
        var advertise = values.Get(ClusterOption.Advertise, static (string text, out IPAddress? value) => OptionValues.TryAddress(text, out value) || text.Length == 0);
        var join = values.Get(ClusterOption.Join, static (string text, out IPEndPoint? value) => OptionValues.TryEndPoint(text, out value) || text.Length == 0);
        if (join is not null && !IPAddress.IsLoopback(join.Address) && advertise is null)
        {
            throw new OptionException($"{ClusterOption.Join.Flag} names {join}, another machine: it must reach this one too, so say how with {ClusterOption.Advertise.Flag} (and start that silo with {ClusterOption.Advertise.Flag} as well)");
        }

        return new ClusterSettings(
            join,
            values.Get(ClusterOption.Name, static (string text, out string value) => TryName(text, out value) || text.Length == 0),
            values.Get<string>(ClusterOption.ClusterId, TryName),
            values.Get<string>(ClusterOption.ServiceId, TryName),
            values.Get(ClusterOption.SiloPort, static (string text, out int value) => OptionValues.TryCount(text, 0, 65535, out value)),
            values.Get(ClusterOption.GatewayPort, static (string text, out int value) => OptionValues.TryCount(text, 0, 65535, out value)),
            advertise,
            values.Get(ClusterOption.Clustering, static (string text, out string value) => OptionValues.OneOf(text, ["", "localhost", .. ClusterProvider.All.Select(provider => provider.Name)], out value)),
            values.Get<string>(ClusterOption.Connection, OptionValues.Any),
            values.Get<bool>(ClusterOption.Kubernetes, OptionValues.TryYesNo),
            values.Get(ClusterOption.Lease, static (string text, out TimeSpan value) => OptionValues.TryTime(text, out value) && value >= TimeSpan.FromMilliseconds(200) && value <= TimeSpan.FromMinutes(1)),
            values.Get<bool>(ClusterOption.Dashboard, OptionValues.TryYesNo),
            ReadTls(values))
        {
            GivenPorts = [.. Ports.Where(option => values.Has(option))],
        };
    }

    /// <summary>
    /// Chooses the ports of a silo that joins another on this machine, and the silo's name. The first silo of a machine needs no ports that anybody knows but those of its front doors,
    /// and is called after the machine alone, so that it finds its data whatever its ports.
    /// </summary>
    /// <param name="serve">The front doors' options.</param>
    /// <param name="isLocalhost">Whether silos find each other through the first of them.</param>
    /// <param name="isFree">Whether nothing listens there.</param>
    /// <returns>Both, with ports that are free unless they were given: then the caller finds out.</returns>
    /// <exception cref="StartException">None are free.</exception>
    public (ServeSettings Serve, ClusterSettings Cluster) WithPorts(ServeSettings serve, bool isLocalhost, Func<IPEndPoint, bool> isFree)
    {
        ArgumentNullException.ThrowIfNull(serve);
        ArgumentNullException.ThrowIfNull(isFree);
        var cluster = this;
        if (Join is not null)
        {
            // All by the same step, so that a silo that comes back finds its ports, and with them its name.
            var step = Enumerable.Range(1, MostSilosOnOneMachine).FirstOrDefault(step => Moved(serve, step).All(isFree));
            if (step == 0)
            {
                throw new StartException($"no free ports beside those of {MostSilosOnOneMachine} silos on this machine; give them ({string.Join(", ", Ports.Select(option => option.Flag))})");
            }

            serve = serve with { Resp = At(serve.Resp, ServeOption.RespPort, step * PortStep), Http = At(serve.Http, ServeOption.HttpPort, step * PortStep) };
            cluster = this with { SiloPort = At(SiloPort, ClusterOption.SiloPort, step), GatewayPort = At(GatewayPort, ClusterOption.GatewayPort, step) };
        }

        var isFirst = isLocalhost && Join is null;
        cluster = cluster with { SiloPort = OrFree(cluster.SiloPort, ClusterOption.SiloPort), GatewayPort = OrFree(cluster.GatewayPort, ClusterOption.GatewayPort) };
        int[] ports = [serve.Resp.Port, serve.Http.Port, cluster.SiloPort, cluster.GatewayPort];
        if (ports.Where(static port => port != 0).GroupBy(static port => port).FirstOrDefault(static same => same.Count() > 1) is { Key: var twice })
        {
            throw new OptionException($"port {twice} is asked for twice; allowed: four different ones ({string.Join(", ", Ports.Select(static option => option.Flag))}), or 0 for any free one");
        }

        return (serve, cluster with { Name = cluster.Name.Length > 0 ? cluster.Name : NameOf(Environment.MachineName, IsInKubernetes || isFirst ? "" : $"-{cluster.SiloPort}") });

        int OrFree(int port, ServeOption option) => port == 0 || (isFirst && !GivenPorts.Contains(option) && !isFree(new(Address, port))) ? AnyFree() : port;
    }

    private static string NameOf(string machine, string suffix) =>
        string.Concat(machine.Select(letter => IsNameLetter(letter) ? letter : '-').Take(LongestName - suffix.Length)) + suffix;

    private IEnumerable<IPEndPoint> Moved(ServeSettings serve, int step)
    {
        IPEndPoint[] all = [At(serve.Resp, ServeOption.RespPort, step * PortStep), At(serve.Http, ServeOption.HttpPort, step * PortStep), new(Address, At(SiloPort, ClusterOption.SiloPort, step)), new(Address, At(GatewayPort, ClusterOption.GatewayPort, step))];
        return all.Where((_, i) => !GivenPorts.Contains(Ports[i]));
    }

    private IPEndPoint At(IPEndPoint endPoint, ServeOption option, int offset) => new(endPoint.Address, At(endPoint.Port, option, offset));

    private int At(int port, ServeOption option, int offset) => GivenPorts.Contains(option) ? port : port + offset;

    /// <summary>Orleans must know its ports before it listens.</summary>
    private int AnyFree()
    {
        using var probe = new Socket(Address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Bind(new IPEndPoint(Address, 0));
        }
        catch (SocketException failure)
        {
            throw new StartException($"{Address} cannot be bound ({failure.Message}); choose another address with {ClusterOption.Advertise.Flag} or {ClusterOption.Advertise.Variable}", failure);
        }

        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }

    private static TlsSettings? ReadTls(OptionValues values)
    {
        var certificate = values.Get<string>(ClusterOption.TlsCertificate, OptionValues.TryPath);
        var tls = new TlsSettings(
            certificate,
            values.Get<string>(ClusterOption.TlsPassword, OptionValues.Any),
            values.Get<string>(ClusterOption.TlsTrust, OptionValues.TryPath),
            values.Get(ClusterOption.TlsClients, static (string text, out string value) => OptionValues.OneOf(text, ["required", "none"], out value)) == "required");
        if (certificate.Length > 0)
        {
            return tls;
        }

        var useless = new[] { ClusterOption.TlsPassword, ClusterOption.TlsTrust, ClusterOption.TlsClients }.FirstOrDefault(values.Has);
        return useless is null ? null : throw new OptionException($"{useless.Flag} needs {ClusterOption.TlsCertificate.Flag}: without it there is no TLS; allowed: together");
    }

    private static bool TryName(string text, out string value)
    {
        value = text;
        return text.Length is >= 1 and <= LongestName && text.All(IsNameLetter);
    }

    private static bool IsNameLetter(char letter) => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.';
}
