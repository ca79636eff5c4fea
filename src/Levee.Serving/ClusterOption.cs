namespace Levee.Serving;

/// <summary>The options that a silo has beside those of <c>levee serve</c>.</summary>
public static class ClusterOption
{
    /// <summary><c>--join</c>.</summary>
    public static readonly ServeOption Join = new("join", "endpoint", "", "an address with a port such as 10.0.0.4:11111; without a value: the silo that runs on this machine with its default ports", "with localhost clustering, the first silo, which this one joins; ports that are not given are then chosen free") { Bare = "127.0.0.1:11111" };

    /// <summary><c>--name</c>.</summary>
    public static readonly ServeOption Name = new("name", "name", "", "1 to 40 letters, digits, '-', '_' and '.'", "the silo's lasting name, no two of a cluster the same: its folder in the data directory and what it writes to shared tiers are called so; default: machine and silo port") { Standard = "Orleans:Name" };

    /// <summary><c>--cluster-id</c>.</summary>
    public static readonly ServeOption ClusterId = new("cluster-id", "name", "levee", "1 to 40 letters, digits, '-', '_' and '.'", "silos with the same cluster id find each other") { Standard = "Orleans:ClusterId" };

    /// <summary><c>--service-id</c>.</summary>
    public static readonly ServeOption ServiceId = new("service-id", "name", "levee", "1 to 40 letters, digits, '-', '_' and '.'", "names the service across clusters that replace one another: what is stored outside belongs to it") { Standard = "Orleans:ServiceId" };

    /// <summary><c>--silo-port</c>.</summary>
    public static readonly ServeOption SiloPort = new("silo-port", "port", "11111", "0 to 65535; 0: any free port", "port on which silos talk to each other") { Standard = "Orleans:Endpoints:SiloPort" };

    /// <summary><c>--gateway-port</c>.</summary>
    public static readonly ServeOption GatewayPort = new("gateway-port", "port", "30000", "0 to 65535; 0: any free port", "port for clients that speak Orleans") { Standard = "Orleans:Endpoints:GatewayPort" };

    /// <summary><c>--advertise</c>.</summary>
    public static readonly ServeOption Advertise = new("advertise", "address", "", "an IP address of this machine that the other silos can reach", "address of the silo and gateway ports; default: 127.0.0.1 with localhost clustering, otherwise the machine's own") { Standard = "Orleans:Endpoints:AdvertisedIPAddress" };

    /// <summary><c>--clustering</c>.</summary>
    public static readonly ServeOption Clustering = new("clustering", "kind", "", $"localhost, {string.Join(", ", ClusterProvider.All.Select(provider => provider.Name))}", "where silos find each other and partitions' owners are written down; default: what Orleans:Clustering is configured to be, or else localhost");

    /// <summary><c>--clustering-connection</c>.</summary>
    public static readonly ServeOption Connection = new("clustering-connection", "text", "", "a connection string; for dynamodb a region; better in the environment where it has a secret", "where the store of --clustering is") { Shown = ServeOption.Hidden };

    /// <summary><c>--kubernetes</c>.</summary>
    public static readonly ServeOption Kubernetes = new("kubernetes", "yes/no", "no", "yes, no", "in a pod: name and address are the pod's, and silos of pods that are gone are declared dead");

    /// <summary><c>--lease</c>.</summary>
    public static readonly ServeOption Lease = new("lease", "time", "1s", "a time from 200ms to 60s", "a silo that cannot reach the membership table serves for so long, and what it owned is taken over so long after it is declared dead");

    /// <summary><c>--dashboard</c>.</summary>
    public static readonly ServeOption Dashboard = new("dashboard", "yes/no", "yes", "yes, no", "whether Orleans' dashboard is at /dashboard of the HTTP port");

    /// <summary><c>--tls-certificate</c>.</summary>
    public static readonly ServeOption TlsCertificate = new("tls-certificate", "file", "", "a file .pfx or .p12, or .pem with certificate and key", "silos and their Orleans clients talk TLS, with this certificate");

    /// <summary><c>--tls-password</c>.</summary>
    public static readonly ServeOption TlsPassword = new("tls-password", "text", "", "any text; better in the environment than on a command line", "password of that file") { Shown = ServeOption.Hidden };

    /// <summary><c>--tls-trust</c>.</summary>
    public static readonly ServeOption TlsTrust = new("tls-trust", "file", "", "a file .pem or .crt with one or more certificates", "whose certificates are accepted, by whatever name; default: only the very certificate of --tls-certificate");

    /// <summary><c>--tls-clients</c>.</summary>
    public static readonly ServeOption TlsClients = new("tls-clients", "mode", "required", "required, none", "required: who connects shows such a certificate too; none: whoever reaches the port is let in");

    /// <summary>The cluster's options, in the order of the help.</summary>
    public static IReadOnlyList<ServeOption> Own { get; } =
    [
        Join, Name, ClusterId, ServiceId, SiloPort, GatewayPort, Advertise, Clustering, Connection, Kubernetes, Lease, Dashboard, TlsCertificate, TlsPassword, TlsTrust, TlsClients,
    ];

    /// <summary>All options of a silo, in the order of the help.</summary>
    public static IReadOnlyList<ServeOption> All { get; } = [.. Own, .. ServeOption.All];
}
