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
    public static ITransport Create(
        IPEndPoint endPoint,
        ConversationFactory factory,
        TransportLimits limits,
        int loops,
        TimeProvider time,
        ILogger logger,
        bool portable = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(loops);
        if (portable || !OperatingSystem.IsLinux())
        {
            return new SocketTransport(endPoint, factory, limits, time, logger);
        }

        return new EpollTransport(endPoint, factory, limits, loops == 0 ? DefaultLoops(Environment.ProcessorCount) : loops, time, logger);
    }

    /// <summary>I/O threads for a machine of so many cores.</summary>
    public static int DefaultLoops(int cores) => Math.Max(1, cores / 2);
}
