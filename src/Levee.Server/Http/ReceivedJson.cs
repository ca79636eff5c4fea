namespace Levee.Server.Http;

/// <summary>
/// A JSON body as it comes in, counted in the <see cref="StagingArea"/>: what has been read of it lies in memory as objects until its end
/// has come.
/// </summary>
internal sealed class ReceivedJson(Stream body, RequestStaging staging) : Stream
{
    /// <summary>About what a byte of JSON takes as an object: text has two bytes for each character.</summary>
    private const int BytesPerByte = 3;

    private long received;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!await staging.MayGrowAsync().ConfigureAwait(false))
        {
            throw new OperationCanceledException();
        }

        var count = await body.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        received += count;
        staging.Receive(received * BytesPerByte, count);
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }
}
