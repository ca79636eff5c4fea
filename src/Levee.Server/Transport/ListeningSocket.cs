using System.Net;
using System.Net.Sockets;

namespace Levee.Server.Transport;

/// <summary>Opens the socket that a transport listens on.</summary>
internal static class ListeningSocket
{
    /// <summary>Binds and listens, without blocking on accept.</summary>
    /// <exception cref="SocketException">The endpoint is taken or not this machine's.</exception>
    public static Socket Open(IPEndPoint endPoint, int backlog)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.NoDelay = true;      // Linux lets accepted sockets inherit it
            socket.Bind(endPoint);
            socket.Listen(backlog);
            socket.Blocking = false;
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
