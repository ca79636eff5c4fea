namespace Levee.Tiers.Redis;

/// <summary>A server refused a command or its connection ended. Never leaves the tier: reads fail, writes wait.</summary>
internal sealed class RedisException(RedisErrorKind kind, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What it means.</summary>
    public RedisErrorKind Kind { get; } = kind;
}
