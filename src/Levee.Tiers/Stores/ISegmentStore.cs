namespace Levee.Tiers.Stores;

/// <summary>
/// Where sealed segments lie: a flat space of named objects, each written once and whole. Names are up to 200 characters of letters, digits, '-', '_', '.' and '/'.
/// Implementations translate to one request of their system each; retries, time-outs, breakers and bounds are the caller's. Safe for threads.
/// Failures are <see cref="IOException"/> (or what derives from it); cancellation passes through.
/// </summary>
public interface ISegmentStore : IAsyncDisposable
{
    /// <summary>Its kind: "file", "s3", "azblob".</summary>
    string Kind { get; }

    /// <summary>Where it is, for people: no credentials.</summary>
    string Location { get; }

    /// <summary>Writes an object in one request. It is there whole when this completes, or not at all; an object of the same name is replaced.</summary>
    Task WriteAsync(string name, SegmentContent content, CancellationToken cancellation);

    /// <summary>Reads from an offset in one request, up to the length of <paramref name="destination"/> or the object's end. May complete synchronously.</summary>
    /// <returns>How many bytes were read; -1 where there is no such object.</returns>
    ValueTask<int> ReadAsync(string name, long offset, Memory<byte> destination, CancellationToken cancellation);

    /// <summary>Deletes an object; where there is none that is as good.</summary>
    Task DeleteAsync(string name, CancellationToken cancellation);

    /// <summary>The objects whose names begin with a prefix.</summary>
    IAsyncEnumerable<StoredSegment> ListAsync(string prefix, CancellationToken cancellation);
}

/// <summary>An object in a store.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="WrittenAt">When it was written.</param>
public readonly record struct StoredSegment(string Name, long Length, DateTimeOffset WrittenAt);

/// <summary>The bytes of a sealed segment: a file on this machine whose first <see cref="Length"/> bytes they are, not written to any more.</summary>
/// <param name="Path">The file. A store on the same volume may take it away (rename it) instead of copying.</param>
/// <param name="Length">How many of its bytes count.</param>
public sealed record SegmentContent(string Path, long Length)
{
    /// <summary>Opens the bytes for reading.</summary>
    public FileStream Open() => new(Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 64 * 1024, FileOptions.Asynchronous | FileOptions.SequentialScan);
}
