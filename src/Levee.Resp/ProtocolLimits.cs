namespace Levee.Resp;

/// <summary>The bounds that RESP's reference server sets on a request, and that this codec keeps.</summary>
public static class ProtocolLimits
{
    /// <summary>The most arguments of one command.</summary>
    public const int MaxArguments = 1_048_576;

    /// <summary>The longest inline command, in bytes.</summary>
    public const int MaxInlineBytes = 64 * 1024;

    /// <summary>The most arguments of one command before its sender has authenticated.</summary>
    public const int MaxUnauthenticatedArguments = 10;

    /// <summary>The longest argument before its sender has authenticated, in bytes.</summary>
    public const int MaxUnauthenticatedBulkBytes = 16 * 1024;

    /// <summary>
    /// The longest header line, in bytes: a type byte, a sign, 19 digits and the line's end fit well. A longer line cannot be a number, so nobody needs to wait for its end.
    /// </summary>
    internal const int MaxHeaderBytes = 32;
}
