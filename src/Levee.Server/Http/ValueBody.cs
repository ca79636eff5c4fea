using System.Buffers;
using System.IO.Pipelines;
using Levee.Memory;
using Levee.Operations;
using Microsoft.AspNetCore.Http;

namespace Levee.Server.Http;

/// <summary>
/// A value on its way in: up to <see cref="Limits.MaxInlineBytes"/> in a pooled buffer, above that in a large value. Where the client says the length beforehand, bytes go from the
/// connection's buffers straight to where they will stay; a chunked body is gathered in pooled blocks until its length is known.
/// </summary>
internal sealed class ValueBody : IDisposable
{
    private const int BlockBytes = 64 * 1024;
    private static readonly TimeSpan RoomPoll = TimeSpan.FromMilliseconds(20);
    private const int RoomPolls = 50;

    private byte[]? buffer = ArrayPool<byte>.Shared.Rent(Limits.MaxInlineBytes);
    private int inlineLength;

    private ValueBody()
    {
    }

    /// <summary>The value where it is small.</summary>
    public ReadOnlyMemory<byte> Inline => Large is null ? buffer.AsMemory(0, inlineLength) : default;

    /// <summary>The value where it is large; the reference is this body's.</summary>
    public LargeValue? Large { get; private set; }

    /// <summary>Reads a request's body to its end.</summary>
    public static async Task<(ValueBody? Body, Problem? Problem)> ReadAsync(HttpContext context, ICacheHost cache, StagingBudget staging, TimeProvider time)
    {
        RequestSize.Limit(context, null);
        var length = context.Request.ContentLength;
        var limit = cache.LargeValues.MaxValueBytes;
        if (length > limit)
        {
            return (null, Problems.TooLarge(limit));
        }

        var body = new ValueBody();
        Problem? problem = null;
        try
        {
            problem = length is { } known
                ? await body.ReadKnownAsync(context, cache, (int)known, time).ConfigureAwait(false)
                : await body.ReadChunkedAsync(context, cache, staging, time).ConfigureAwait(false);
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
            Large?.Release();
        }
    }

    private async Task<Problem?> ReadKnownAsync(HttpContext context, ICacheHost cache, int length, TimeProvider time)
    {
        if (length > Limits.MaxInlineBytes)
        {
            Large = await CreateLargeAsync(cache, length, time, context.RequestAborted).ConfigureAwait(false);
            if (Large is null)
            {
                return Problems.OutOfMemory();
            }
        }

        var reader = context.Request.BodyReader;
        while (true)
        {
            var result = await reader.ReadAsync(context.RequestAborted).ConfigureAwait(false);
            foreach (var piece in result.Buffer)
            {
                Take(piece.Span);
            }

            reader.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return null;
            }
        }
    }

    private void Take(ReadOnlySpan<byte> piece)
    {
        if (Large is null)
        {
            piece.CopyTo(buffer.AsSpan(inlineLength));
            inlineLength += piece.Length;
        }
        else
        {
            Large.Append(piece);
        }
    }

    private async Task<Problem?> ReadChunkedAsync(HttpContext context, ICacheHost cache, StagingBudget staging, TimeProvider time)
    {
        var blocks = new List<byte[]>();
        try
        {
            var limit = cache.LargeValues.MaxValueBytes;
            var reader = context.Request.BodyReader;
            var length = 0;
            while (true)
            {
                var result = await reader.ReadAsync(context.RequestAborted).ConfigureAwait(false);
                if (length + result.Buffer.Length > limit)
                {
                    reader.AdvanceTo(result.Buffer.End);
                    return Problems.TooLarge(limit);
                }

                if (!Stage(result, blocks, ref length, staging))
                {
                    reader.AdvanceTo(result.Buffer.End);
                    return Problems.OutOfMemory();
                }

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

            staging.Return((long)blocks.Count * BlockBytes);
        }
    }

    /// <summary>The first <see cref="Limits.MaxInlineBytes"/> bytes go into the inline buffer, the rest into blocks.</summary>
    private bool Stage(ReadResult result, List<byte[]> blocks, ref int length, StagingBudget staging)
    {
        foreach (var piece in result.Buffer)
        {
            var rest = piece.Span;
            while (!rest.IsEmpty)
            {
                var staged = length - inlineLength;
                if (inlineLength == Limits.MaxInlineBytes && staged == blocks.Count * BlockBytes)
                {
                    if (!staging.TryTake(BlockBytes))
                    {
                        return false;
                    }

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

        return true;
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
