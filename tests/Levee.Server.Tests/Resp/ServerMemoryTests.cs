using System.Net.Sockets;
using System.Text;
using Levee.Server.Tests.Transport;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>What the server holds for clients that do not take their replies.</summary>
[Collection(nameof(Alone))]
public sealed class ServerMemoryTests
{
    public static TheoryData<string> Kinds => TransportRig.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_client_that_never_reads_costs_bounded_memory(string kind)
    {
        await using var rig = await ServerRig.StartAsync(kind);
        using var other = rig.Connect();
        other.Send(RespClient.Command("SET", "v", new string('x', 8000)));
        other.Expect("+OK\r\n");
        using var greedy = rig.Connect(4096);
        greedy.Blocking = false;
        var asked = 0L;
        var requests = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("GET v\r\n", 1000)));
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var quiet = 0; quiet < 40 && asked < 100_000_000;)
        {
            try
            {
                asked += greedy.Send(requests);
                quiet = 0;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.WouldBlock)
            {
                quiet++;
                other.AssertPongs();
                await Task.Delay(5, TestContext.Current.CancellationToken);
            }
        }

        // Eight kilobytes are asked for by each seven bytes: the server has stopped to read long before.
        Assert.InRange(asked, 1, 20_000_000);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 8 << 20);
        other.AssertPongs();
    }
}
