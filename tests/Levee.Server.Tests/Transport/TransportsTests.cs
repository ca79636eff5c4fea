using System.Net;
using Levee.Server.Transport;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Server.Tests.Transport;

public sealed class TransportsTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(3, 1)]
    [InlineData(4, 2)]
    [InlineData(16, 8)]
    public void Half_the_cores_are_io_loops(int cores, int loops) => Assert.Equal(loops, Transports.DefaultLoops(cores));

    [Fact]
    public async Task Linux_gets_epoll_unless_the_portable_transport_is_asked_for()
    {
        await using var chosen = Create(portable: false);
        await using var portable = Create(portable: true);
        Assert.Equal(OperatingSystem.IsLinux(), chosen is EpollTransport);
        Assert.IsType<SocketTransport>(portable);
        Assert.Throws<ArgumentOutOfRangeException>(() => Create(portable: false, loops: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Create(portable: true, limits: new TransportLimits { MaxConnections = 0 }));
    }

    private static ITransport Create(bool portable, int loops = 0, TransportLimits? limits = null) => Transports.Create(
        new IPEndPoint(IPAddress.Loopback, 0), static (_, _) => null, limits ?? new TransportLimits(), loops, TimeProvider.System, NullLogger.Instance, portable);
}
