using Levee.Segments;
using Levee.Tiers.Stores;

namespace Levee.Tiers.Segments;

/// <summary>What a segment's footer says, out of the bytes that it lay in.</summary>
internal sealed record FooterContent(SegmentTrailer Trailer, byte[] Bytes)
{
    /// <summary>The footer; it was sound when it was read.</summary>
    public SegmentFooter Footer => SegmentFormat.TryReadFooter(Bytes, Trailer, out var footer) ? footer : default;
}

/// <summary>Reads footers: from the store in one request where their place is known, else in two.</summary>
internal static class SegmentFooterSource
{
    /// <summary>The footer of a segment on this machine or in the store; null where it is missing or damaged.</summary>
    public static async ValueTask<FooterContent?> ReadAsync(SegmentLog log, ISegmentStore store, SegmentInfo info, CancellationToken cancellation)
    {
        byte[] bytes;
        lock (log.Gate)
        {
            bytes = info.Local is { } local ? local.FooterBytes() : [];
        }

        return bytes.Length > 0
            ? Parse(bytes, info.RecordsEnd)
            : await ReadAsync(log, store, info.Name, info.Length, info.Length - info.RecordsEnd, cancellation).ConfigureAwait(false);
    }

    /// <summary>The footer at the end of an object; null where it is missing or damaged.</summary>
    /// <param name="log">Counts the reads.</param>
    /// <param name="store">Holds the object.</param>
    /// <param name="name">Its name.</param>
    /// <param name="length">Its length.</param>
    /// <param name="guess">How much of its end the footer probably takes.</param>
    /// <param name="cancellation">Ends the read.</param>
    public static async ValueTask<FooterContent?> ReadAsync(SegmentLog log, ISegmentStore store, string name, long length, long guess, CancellationToken cancellation)
    {
        guess = Math.Min(Math.Max(guess, SegmentFormat.TrailerBytes), length);
        var bytes = await ReadEndAsync(log, store, name, length, guess, cancellation).ConfigureAwait(false);
        if (bytes is null || !SegmentFormat.TryReadTrailer(bytes, out var trailer) || trailer.SegmentBytes != length)
        {
            return null;
        }

        var needed = length - trailer.FooterOffset;
        if (needed > bytes.Length)
        {
            bytes = await ReadEndAsync(log, store, name, length, needed, cancellation).ConfigureAwait(false);
        }

        return bytes is null ? null : Parse(bytes[(int)(bytes.Length - needed)..], trailer.FooterOffset);
    }

    /// <summary>The footer in bytes that end with its trailer; null where it is damaged.</summary>
    public static FooterContent? Parse(byte[] bytes, long footerOffset) =>
        SegmentFormat.TryReadTrailer(bytes, out var trailer) && trailer.FooterOffset == footerOffset && SegmentFormat.TryReadFooter(bytes, trailer, out _)
            ? new FooterContent(trailer, bytes)
            : null;

    /// <summary>The footer of an object whose own is damaged, made from its records; null where not all of them are sound.</summary>
    public static async ValueTask<FooterContent?> RebuildAsync(SegmentLog log, ISegmentStore store, string name, long length, CancellationToken cancellation)
    {
        if (length is < SegmentFormat.HeaderBytes or > int.MaxValue
            || await ReadEndAsync(log, store, name, length, length, cancellation).ConfigureAwait(false) is not { } bytes
            || !SegmentFormat.TryReadHeader(bytes, out var header))
        {
            return null;
        }

        var committed = SegmentFormat.ReadCommitted(bytes);
        if (committed < SegmentFormat.HeaderBytes || committed > bytes.Length)
        {
            return null;
        }

        var builder = new FooterBuilder();
        var scan = new SegmentScan(bytes.AsSpan(0, committed), SegmentFormat.HeaderBytes);
        while (scan.MoveNext())
        {
            builder.Add(scan.Offset, scan.Record);
        }

        var footer = new byte[builder.LengthBytes];
        builder.WriteTo(footer, header, committed);
        return scan.End == ScanEnd.Complete ? Parse(footer, committed) : null;
    }

    private static async ValueTask<byte[]?> ReadEndAsync(SegmentLog log, ISegmentStore store, string name, long length, long count, CancellationToken cancellation)
    {
        var bytes = new byte[count];
        var read = await store.ReadAsync(name, length - count, bytes, cancellation).ConfigureAwait(false);
        log.Counters.Read(read, log.Counters.ReadMs);
        return read == count ? bytes : null;
    }
}
