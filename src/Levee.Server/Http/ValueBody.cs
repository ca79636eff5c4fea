using System.Buffers;
using System.IO.Pipelines;
using Levee.Memory;
using Levee.Operations;
using Microsoft.AspNetCore.Http;

namespace Levee.Server.Http;

/// <summary>
/// A value on its way in: up to <see cref="Limits.MaxInlineBytes"/> in a pooled buffer, above that in a large value. Where the client says the length beforehand, bytes go from the
/// connection's buffers straight to where they will stay; a chunked body is gathered in pooled blocks until its length is known. Memory is
/// taken for bytes that have come, and counted in the
/// <see cref="StagingArea"/>.
/// </summary>
internal sealed class ValueBody : IDisposable
{
    private const int BlockBytes = 64 * 1024;
    private static readonly TimeSpan RoomPoll = TimeSpan.FromMilliseconds(20);
    private const int RoomPolls = 50;

    private readonly RequestStaging staging;
    private byte[]? buffer;
    private int inlineLength;

    private ValueBody(RequestStaging staging) => this.staging = staging;

    /// <summary>The value where it is small.</summary>
    public ReadOnlyMemory<byte> Inline => Large is null ? buffer.AsMemory(0, inlineLength) : default;

    /// <summary>The value where it is large; the reference is this body's.</summary>
    public LargeValue? Large { get; private set; }

    /// <summary>Reads a request's body to its end.</summary>
    public static async Task<(ValueBody? Body, Problem? Problem)> ReadAsync(HttpContext context, ICacheHost cache, TimeProvider time)
    {
        RequestSize.Limit(context, null);
        var length = context.Request.ContentLength;
        var limit = cache.LargeValues.MaxValueBytes;
        if (length > limit)
        {
            return (null, Problems.TooLarge(limit));
        }

        using var staging = new RequestStaging(context);
        var body = new ValueBody(staging);
        Problem? problem = null;
        try
        {
            problem = length is { } known
                ? await body.ReadKnownAsync(context, cache, (int)known, time).ConfigureAwait(false)
                : await body.ReadChunkedAsync(context, cache, time).ConfigureAwait(false);
            RequestTally.Of(context).ReceivedBytes += body.Large?.Length ?? body.inlineLength;
            return problem is null ? (body, null) : (null, problem);
        }
        catch
        {
            body.Dispose();
            throw;
        }
        finally
        {
            if (problem is not null)
            {
                body.Dispose();
            }
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref buffer, null) is { } rented)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }

        Large?.Release();
        Large = null;
    }

    /// <summary>Waits for a piece of the body. The memory for it is taken when it has come.</summary>
    private async ValueTask<ReadResult> ReadPieceAsync(PipeReader reader, CancellationToken cancellationToken) =>
        await staging.MayGrowAsync().ConfigureAwait(false)
            ? await reader.ReadAsync(cancellationToken).ConfigureAwait(false)
            : new ReadResult(default, isCanceled: true, isCompleted: false);

    private async Task<Problem?> ReadKnownAsync(HttpContext context, ICacheHost cache, int length, TimeProvider time)
    {
        var isLarge = length > Limits.MaxInlineBytes;
        var reader = context.Request.BodyReader;
        while (true)
        {
            var result = await ReadPieceAsync(reader, context.RequestAborted).ConfigureAwait(false);
            if (result.IsCanceled)
            {
                return Problems.GaveWay();
            }

            foreach (var piece in result.Buffer)
            {
                if (!isLarge)
                {
                    Take(piece.Span, length);
                }
                else if (!await TakeLargeAsync(cache, piece, length, time, context.RequestAborted).ConfigureAwait(false))
                {
                    reader.AdvanceTo(result.Buffer.End);
                    return Problems.OutOfMemory();
                }
            }

            staging.Receive((buffer?.Length ?? 0) + (Large?.TakenBytes ?? 0), (int)result.Buffer.Length);
            reader.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return null;
            }
        }
    }

    private void Take(ReadOnlySpan<byte> piece, int length)
    {
        if (!piece.IsEmpty)
        {
            buffer ??= ArrayPool<byte>.Shared.Rent(length);
            piece.CopyTo(buffer.AsSpan(inlineLength));
            inlineLength += piece.Length;
        }
    }

    /// <summary>
    /// Adds a piece to the large value, which grows with it. Where there is no room, waits a second for what others give back.
    /// </summary>
    private async ValueTask<bool> TakeLargeAsync(
        ICacheHost cache, ReadOnlyMemory<byte> piece, int length, TimeProvider time, CancellationToken cancellationToken)
    {
        if (Large is null)
        {
            // The first bytes wait in the buffer, so that a body that was only announced has no page.
            var begun = Math.Min(piece.Length, Limits.MaxInlineBytes - inlineLength);
            Take(piece.Span[..begun], Limits.MaxInlineBytes);
            piece = piece[begun..];
            if (inlineLength < Limits.MaxInlineBytes)
            {
                return true;
            }

            Large = cache.LargeValues.Begin(length);
            return await TakeLargeAsync(cache, buffer.AsMemory(0, inlineLength), length, time, cancellationToken).ConfigureAwait(false)
                && await TakeLargeAsync(cache, piece, length, time, cancellationToken).ConfigureAwait(false);
        }

        for (var poll = 0; !piece.IsEmpty;)
        {
            var taken = Fill(Large, piece.Span);
            piece = piece[taken..];
            if (piece.IsEmpty || Large.TryGrow())
            {
                poll = 0;
                continue;
            }

            if (poll++ == RoomPolls)
            {
                return false;
            }

            staging.DropStalled(PageArena.PageBytes);
            await Task.Delay(RoomPoll, time, cancellationToken).ConfigureAwait(false);
        }

        return true;
    }

    private static int Fill(LargeValue large, ReadOnlySpan<byte> piece)
    {
        var room = large.Unfilled();
        var count = Math.Min(room.Length, piece.Length);
        piece[..count].CopyTo(room);
        large.Advance(count);
        return count;
    }

    private async Task<Problem?> ReadChunkedAsync(HttpContext context, ICacheHost cache, TimeProvider time)
    {
        var blocks = new List<byte[]>();
        try
        {
            var limit = cache.LargeValues.MaxValueBytes;
            var reader = context.Request.BodyReader;
            var length = 0;
            while (true)
            {
                var result = await ReadPieceAsync(reader, context.RequestAborted).ConfigureAwait(false);
                if (result.IsCanceled)
                {
                    return Problems.GaveWay();
                }

                if (length + result.Buffer.Length > limit)
                {
                    reader.AdvanceTo(result.Buffer.End);
                    return Problems.TooLarge(limit);
                }

                Stage(result, blocks, ref length);
                staging.Receive((buffer?.Length ?? 0) + ((long)blocks.Count * BlockBytes), (int)result.Buffer.Length);
                reader.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                {
                    return await PutTogetherAsync(cache, blocks, length, time, context.RequestAborted).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            foreach (var block in blocks)
            {
                ArrayPool<byte>.Shared.Return(block);
            }
        }
    }

    /// <summary>The first <see cref="Limits.MaxInlineBytes"/> bytes go into the inline buffer, the rest into blocks.</summary>
    private void Stage(ReadResult result, List<byte[]> blocks, ref int length)
    {
        foreach (var piece in result.Buffer)
        {
            var rest = piece.Span;
            while (!rest.IsEmpty)
            {
                buffer ??= ArrayPool<byte>.Shared.Rent(Limits.MaxInlineBytes);
                var staged = length - inlineLength;
                if (inlineLength == Limits.MaxInlineBytes && staged == blocks.Count * BlockBytes)
                {
                    blocks.Add(ArrayPool<byte>.Shared.Rent(BlockBytes));
                }

                var room = inlineLength < Limits.MaxInlineBytes
                    ? buffer.AsSpan(inlineLength, Limits.MaxInlineBytes - inlineLength)
                    : blocks[^1].AsSpan(staged % BlockBytes, BlockBytes - (staged % BlockBytes));
                var count = Math.Min(room.Length, rest.Length);
                rest[..count].CopyTo(room);
                inlineLength += inlineLength < Limits.MaxInlineBytes ? count : 0;
                length += count;
                rest = rest[count..];
            }
        }
    }

    private async Task<Problem?> PutTogetherAsync(ICacheHost cache, List<byte[]> blocks, int length, TimeProvider time, CancellationToken cancellationToken)
    {
        if (blocks.Count == 0)
        {
            return null;
        }

        var large = await CreateLargeAsync(cache, length, time, cancellationToken).ConfigureAwait(false);
        if (large is null)
        {
            return Problems.OutOfMemory();
        }

        large.Append(buffer.AsSpan(0, inlineLength));
        foreach (var block in blocks)
        {
            large.Append(block.AsSpan(0, Math.Min(BlockBytes, length - large.FilledBytes)));
        }

        Large = large;
        return null;
    }

    /// <summary>Reserves a large value; where there is no room, waits a second for what partitions pay back.</summary>
    private static async Task<LargeValue?> CreateLargeAsync(ICacheHost cache, int length, TimeProvider time, CancellationToken cancellationToken)
    {
        for (var poll = 0; ; poll++)
        {
            var large = cache.LargeValues.TryCreate(length);
            if (large is not null || poll == RoomPolls)
            {
                return large;
            }

            await Task.Delay(RoomPoll, time, cancellationToken).ConfigureAwait(false);
        }
    }
}
