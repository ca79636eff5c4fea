namespace Levee.Tiers.Stores;

/// <summary>The bytes of a sealed segment as a stream that ends where they end, though the file may go on: what the libraries of object stores want to be given.</summary>
public sealed class SegmentContentStream : Stream
{
    private readonly FileStream file;

    /// <param name="content">The bytes.</param>
    /// <exception cref="IOException">The file cannot be read, or is shorter than it should be.</exception>
    public SegmentContentStream(SegmentContent content)
    {
        ArgumentNullException.ThrowIfNull(content);
        file = content.Open();
        Length = content.Length;
        if (file.Length < Length)
        {
            var length = file.Length;
            file.Dispose();
            throw new IOException($"A segment of {Length} bytes lies in a file of {length} bytes.");
        }
    }

    /// <inheritdoc />
    public override bool CanRead => true;

    /// <inheritdoc />
    public override bool CanSeek => true;

    /// <inheritdoc />
    public override bool CanWrite => false;

    /// <inheritdoc />
    public override long Length { get; }

    /// <inheritdoc />
    public override long Position
    {
        get => file.Position;
        set => file.Position = value;
    }

    /// <inheritdoc />
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc />
    public override int Read(Span<byte> buffer) => file.Read(buffer[..Within(buffer.Length)]);

    /// <inheritdoc />
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc />
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        file.ReadAsync(buffer[..Within(buffer.Length)], cancellationToken);

    /// <inheritdoc />
    public override long Seek(long offset, SeekOrigin origin) => origin == SeekOrigin.End ? file.Seek(Length + offset, SeekOrigin.Begin) : file.Seek(offset, origin);

    /// <inheritdoc />
    public override void Flush()
    {
    }

    /// <inheritdoc />
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc />
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            file.Dispose();
        }

        base.Dispose(disposing);
    }

    private int Within(int count) => (int)Math.Clamp(Length - file.Position, 0, count);
}
