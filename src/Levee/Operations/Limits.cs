namespace Levee.Operations;

/// <summary>Sizes and special values that the engine and its front doors share.</summary>
public static class Limits
{
    /// <summary>Longest key, in bytes.</summary>
    public const int MaxKeyBytes = 32 * 1024 - 1;

    /// <summary>Longest value that is stored beside its key; longer ones are a <see cref="Memory.LargeValue"/>.</summary>
    public const int MaxInlineBytes = 8 * 1024;

    /// <summary>Longest value whatever the memory, in bytes.</summary>
    public const int MaxValueBytes = 64 * 1024 * 1024;

    /// <summary>Longest tag, in bytes.</summary>
    public const int MaxTagBytes = 255;

    /// <summary>Most tags on an entry.</summary>
    public const int MaxTags = 32;

    /// <summary>Longest content type, in bytes.</summary>
    public const int MaxContentTypeBytes = 255;

    /// <summary>An expiry that never comes: overrides a cache's default TTL.</summary>
    public const long Never = long.MaxValue;
}
