namespace Levee.Resp;

/// <summary>The texts of refused requests, spelled as Redis spells them where Redis has one.</summary>
internal static class ProtocolErrors
{
    public const string InvalidMultibulkLength = "Protocol error: invalid multibulk length";
    public const string InvalidBulkLength = "Protocol error: invalid bulk length";
    public const string UnauthenticatedMultibulkLength = "Protocol error: unauthenticated multibulk length";
    public const string UnauthenticatedBulkLength = "Protocol error: unauthenticated bulk length";
    public const string TooBigInlineRequest = "Protocol error: too big inline request";
    public const string UnbalancedQuotes = "Protocol error: unbalanced quotes in request";
    public const string HttpRequest = "Protocol error: this is an HTTP request, and this port speaks RESP; HTTP has a port of its own";
    public const string ExpectedLineEnd = "Protocol error: expected CRLF after bulk string";

    public static string ExpectedBulk(byte found)
        => found is >= 0x20 and < 0x7f ? $"Protocol error: expected '$', got '{(char)found}'" : $"Protocol error: expected '$', got '\\x{found:x2}'";

    public static string TooBigCommand(int maxCommandBytes) => $"Protocol error: command exceeds {maxCommandBytes} bytes";
}
