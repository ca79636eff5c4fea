using Levee.Operations;

namespace Levee.Clustering;

/// <summary>Sizes of what travels between processes.</summary>
public static class BatchLimits
{
    /// <summary>No request and no reply is longer, in bytes.</summary>
    public const int MaxBytes = 64 * 1024;

    /// <summary>Length of a piece of a large value, in bytes.</summary>
    public const int PieceBytes = 48 * 1024;

    /// <summary>Most operations in one batch.</summary>
    public const int MaxOperations = 512;

    /// <summary>Most batches that one request declares void.</summary>
    public const int MaxVoided = 64;

    /// <summary>Longest name of an owner in UTF-8, in bytes.</summary>
    public const int MaxOwnerBytes = 255;

    /// <summary>No packed operation is longer.</summary>
    internal const int MaxOperationBytes = PackedOperation.HeadBytes + Limits.MaxKeyBytes + Limits.MaxInlineBytes + Limits.MaxContentTypeBytes + Limits.MaxPackedTagsBytes + 128;

    /// <summary>No packed answer that shows an entry is longer.</summary>
    internal const int MaxEntryBytes = Limits.MaxKeyBytes + Limits.MaxInlineBytes + Limits.MaxContentTypeBytes + Limits.MaxPackedTagsBytes + 128;
}
