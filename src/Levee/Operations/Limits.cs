namespace Levee.Operations;

/// <summary>Sizes and special values that the engine and its front doors share.</summary>
public static class Limits
{
    /// <summary>Longest key, in bytes.</summary>
    public const int MaxKeyBytes = 4 * 1024;

    /// <summary>Longest value that is stored beside its key; longer ones are a <see cref="Memory.LargeValue"/>.</summary>
    public const int MaxInlineBytes = 8 * 1024;

    /// <summary>Longest value whatever the memory, in bytes.</summary>
    public const int MaxValueBytes = 64 * 1024 * 1024;

    /// <summary>Longest tag, in bytes.</summary>
    public const int MaxTagBytes = 255;

    /// <summary>Longest list of tags on an entry in packed form (<see cref="TagList"/>), in bytes.</summary>
    public const int MaxPackedTagsBytes = 2 * 1024;

    /// <summary>Longest content type, in bytes.</summary>
    public const int MaxContentTypeBytes = 255;

    /// <summary>An expiry that never comes: overrides a cache's default TTL.</summary>
    public const long Never = long.MaxValue;
}
