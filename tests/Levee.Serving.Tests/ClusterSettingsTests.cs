using System.Net;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Levee.Serving.Tests;

public sealed class ClusterSettingsTests
{
    [Fact]
    public void Without_options_it_is_the_first_silo_of_a_cluster_on_this_machine()
    {
        var settings = Read();
        Assert.Null(settings.Join);
        Assert.Null(settings.Tls);
        Assert.Equal(("levee", "levee", 11111, 30000), (settings.ClusterId, settings.ServiceId, settings.SiloPort, settings.GatewayPort));
        Assert.True(ClusterProvider.IsLocalhost(settings, Given.Configuration()));
    }

    [Fact]
    public void The_first_silo_of_a_machine_is_called_after_it_alone_and_takes_other_ports_for_silos_where_those_are_taken()
    {
        var free = Read().WithPorts(Given.Serve(), true, _ => true).Cluster;
        var taken = Read().WithPorts(Given.Serve(), true, Nowhere).Cluster;
        Assert.Equal((11111, 30000), (free.SiloPort, free.GatewayPort));
        Assert.True(taken.SiloPort is not (0 or 11111));
        Assert.True(taken.GatewayPort is not (0 or 30000));
        Assert.Equal(free.Name, taken.Name);
        Assert.DoesNotContain("11111", free.Name, StringComparison.Ordinal);
        Assert.EndsWith("-11111", Read().WithPorts(Given.Serve(), false, Nowhere).Cluster.Name, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_not_given_is_looked_up_in_the_standard_configuration()
    {
        var configuration = Given.Configuration(("Orleans:ClusterId", "aspire"), ("Orleans:Endpoints:SiloPort", "5000"), ("Orleans:Name", "here"));
        var settings = ClusterSettings.Read(Given.Options((ClusterOption.SiloPort, "6000")), configuration);
        Assert.Equal(("aspire", "levee", 6000, "here"), (settings.ClusterId, settings.ServiceId, settings.SiloPort, settings.Name));
    }

    [Fact]
    public void A_silo_that_joins_takes_the_first_step_at_which_all_its_ports_are_free()
    {
        int[] taken = [7379, 7380, 11111, 30000, 11112, 7400];
        var (serve, cluster) = Read((ClusterOption.Join, "127.0.0.1:11111")).WithPorts(Given.Serve(), true, endPoint => !taken.Contains(endPoint.Port));
        Assert.Equal((7409, 7410, 11114, 30003), (serve.Resp.Port, serve.Http.Port, cluster.SiloPort, cluster.GatewayPort));
        Assert.EndsWith("-11114", cluster.Name, StringComparison.Ordinal);
    }

    [Fact]
    public void A_port_that_was_given_is_not_moved()
    {
        (ServeOption, string)[] given = [(ClusterOption.Join, "127.0.0.1:11111"), (ServeOption.RespPort, "7379"), (ClusterOption.GatewayPort, "40000")];
        var (serve, cluster) = Read(given).WithPorts(Given.Serve(given), true, endPoint => endPoint.Port is not 7379 and not 40000);
        Assert.Equal((7379, 7390, 11112, 40000), (serve.Resp.Port, serve.Http.Port, cluster.SiloPort, cluster.GatewayPort));
    }

    [Fact]
    public void Where_no_ports_are_free_it_says_which_to_give() =>
        Assert.Contains("--gateway-port", Assert.Throws<StartException>(() => Read((ClusterOption.Join, "127.0.0.1:11111")).WithPorts(Given.Serve(), true, Nowhere)).Message, StringComparison.Ordinal);

    [Fact]
    public void Any_port_is_known_before_Orleans_listens()
    {
        var cluster = Read((ClusterOption.SiloPort, "0"), (ClusterOption.GatewayPort, "0")).WithPorts(Given.Serve(), true, Nowhere).Cluster;
        Assert.All([cluster.SiloPort, cluster.GatewayPort], port => Assert.InRange(port, 1, 65535));
    }

    [Theory]
    [InlineData("join", "10.0.0.4", "allowed: an address with a port")]
    [InlineData("join", "10.0.0.4:11111", "--advertise")]
    [InlineData("name", "a b", "1 to 40 letters")]
    [InlineData("cluster-id", "", "1 to 40 letters")]
    [InlineData("silo-port", "65536", "0 to 65535")]
    [InlineData("advertise", "silo.local", "an IP address")]
    [InlineData("clustering", "zookeeper", "localhost, redis, adonet, azure, dynamodb")]
    [InlineData("lease", "100ms", "from 200ms")]
    [InlineData("kubernetes", "true", "yes, no")]
    [InlineData("tls-password", "secret", "--tls-certificate")]
    [InlineData("tls-trust", "ca.pem", "--tls-certificate")]
    public void What_is_wrong_is_refused_with_what_is_allowed(string name, string text, string expected)
    {
        var refusal = Assert.Throws<OptionException>(() => Read((ClusterOption.Own.Single(option => option.Name == name), text)));
        Assert.Contains(expected, refusal.Message, StringComparison.Ordinal);
        Assert.Contains(name, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_tls_password_is_not_told() =>
        Assert.DoesNotContain("secret", Read((ClusterOption.TlsCertificate, "a.pfx"), (ClusterOption.TlsPassword, "secret")).ToString(), StringComparison.Ordinal);

    private static bool Nowhere(IPEndPoint endPoint) => false;

    private static ClusterSettings Read(params (ServeOption, string)[] given) => ClusterSettings.Read(Given.Options(given), new ConfigurationManager());
}
