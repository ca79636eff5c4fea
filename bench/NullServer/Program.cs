using System.Net;
using System.Runtime.InteropServices;
using Levee.NullServer;
using Levee.Server.Transport;
using Microsoft.Extensions.Logging.Abstractions;

// NullServer epoll|sockets [loops] [read buffer KiB]: prints its port and serves until it is told to end. See bench/transport.sh.
var kind = args.ElementAtOrDefault(0) ?? "epoll";
var loops = int.Parse(args.ElementAtOrDefault(1) ?? "1");
var bufferBytes = 1024 * int.Parse(args.ElementAtOrDefault(2) ?? "64");
var endPoint = new IPEndPoint(IPAddress.Loopback, 0);
ConversationFactory factory = static (_, _) => new NullConversation();
await using ITransport transport = kind switch
{
    "epoll" => new EpollTransport(endPoint, factory, new TransportLimits(), loops, TimeProvider.System, NullLogger.Instance, bufferBytes),
    "sockets" => new SocketTransport(endPoint, factory, new TransportLimits(), TimeProvider.System, NullLogger.Instance),
    _ => throw new ArgumentException($"'{kind}' is neither epoll nor sockets."),
};
transport.Start();
Console.WriteLine(transport.EndPoint.Port);
var end = new TaskCompletionSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
await end.Task;
await transport.StopAsync(CancellationToken.None);

void End(PosixSignalContext context)
{
    context.Cancel = true;
    end.TrySetResult();
}
