using System.Net;
using Microsoft.Extensions.Logging;

namespace Levee.Server.Transport;

/// <summary>Chooses a transport for the system it runs on.</summary>
public static class Transports
{
    /// <summary>The epoll transport on Linux, the portable one elsewhere or when asked for.</summary>
    /// <param name="endPoint">Where to listen; port 0 for any free one.</param>
    /// <param name="factory">Makes the conversation of each connection.</param>
    /// <param name="limits">Limits to keep.</param>
    /// <param name="loops">I/O threads; 0 for <see cref="DefaultLoops"/>. The portable transport uses the thread pool instead.</param>
    /// <param name="time">The clock of the limits.</param>
    /// <param name="logger">Hears of closures and failures.</param>
    /// <param name="portable">Asks for the portable transport.</param>
    /// <param name="sideWork">What an I/O thread calls when it has served a few connections, and before it waits: it takes little time, and throws nothing; true: there is more to do. The portable transport, which has no such threads, does not call it.</param>
    public static ITransport Create(
        IPEndPoint endPoint,
        ConversationFactory factory,
        TransportLimits limits,
        int loops,
        TimeProvider time,
        ILogger logger,
        bool portable = false,
        Func<bool>? sideWork = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(loops);
        if (portable || !OperatingSystem.IsLinux())
        {
            return new SocketTransport(endPoint, factory, limits, time, logger);
        }

        return new EpollTransport(endPoint, factory, limits, loops == 0 ? DefaultLoops(Environment.ProcessorCount) : loops, time, logger, sideWork: sideWork);
    }

    /// <summary>
    /// I/O threads for a machine of so many cores: half of them. A loop more than that costs CPU (docs/decisions/0003-transport.md); the clients, the kernel's share
    /// of the work, the collector and what shares the machine take the other half.
    /// </summary>
    public static int DefaultLoops(int cores) => Math.Max(1, cores / 2);
}
