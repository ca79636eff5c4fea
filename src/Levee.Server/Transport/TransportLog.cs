using System.Net;
using Microsoft.Extensions.Logging;

namespace Levee.Server.Transport;

internal static partial class TransportLog
{
    [LoggerMessage(100, LogLevel.Debug, "Connection {Remote} closed: {Reason}")]
    public static partial void Closed(ILogger logger, EndPoint? remote, string reason);

    [LoggerMessage(101, LogLevel.Information, "Connection {Remote} closed by a limit: {Reason}")]
    public static partial void ClosedByLimit(ILogger logger, EndPoint? remote, string reason);

    [LoggerMessage(102, LogLevel.Warning, "Connections are refused: all {MaxConnections} are taken")]
    public static partial void Refused(ILogger logger, int maxConnections);

    [LoggerMessage(103, LogLevel.Warning, "Connections cannot be accepted for now: {Error}")]
    public static partial void AcceptFailed(ILogger logger, string error);

    [LoggerMessage(104, LogLevel.Error, "Connection {Remote} closed: its conversation failed")]
    public static partial void ConversationFailed(ILogger logger, EndPoint? remote, Exception exception);

    [LoggerMessage(105, LogLevel.Critical, "An I/O loop failed; its connections are lost")]
    public static partial void LoopFailed(ILogger logger, Exception exception);
}
