using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Levee.Tiers.Stores;

namespace Levee.Testing;

/// <summary>A store of objects in memory that is full, slow or broken when the test says so, and counts what it is asked.</summary>
public sealed class FakeSegmentStore : ISegmentStore
{
    private readonly ConcurrentDictionary<string, byte[]> objects = new(StringComparer.Ordinal);

    public string Kind => "fake";

    public string Location => "in memory";

    public IDictionary<string, byte[]> Objects => objects;

    /// <summary>Bytes that it may hold.</summary>
    public long QuotaBytes { get; set; } = long.MaxValue;

    /// <summary>Every request fails.</summary>
    public bool IsBroken { get; set; }

    /// <summary>Requests wait for this.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    public int Writes { get; private set; }

    public int Reads { get; private set; }

    public int Deletes { get; private set; }

    public int LongestRead { get; private set; }

    public long StoredBytes => objects.Values.Sum(static bytes => (long)bytes.Length);

    /// <summary>What a process that starts now would find.</summary>
    public FakeSegmentStore Copy()
    {
        var copy = new FakeSegmentStore();
        foreach (var (name, bytes) in objects)
        {
            copy.objects[name] = [.. bytes];
        }

        return copy;
    }

    public async Task WriteAsync(string name, SegmentContent content, CancellationToken cancellation)
    {
        await AnswerAsync(cancellation);
        Writes++;
        var bytes = new byte[content.Length];
        await using (var from = content.Open())
        {
            await from.ReadExactlyAsync(bytes, cancellation);
        }

        if (StoredBytes + bytes.Length > QuotaBytes)
        {
            throw new IOException("The store is full.");
        }

        objects[name] = bytes;
    }

    public async ValueTask<int> ReadAsync(string name, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        await AnswerAsync(cancellation);
        Reads++;
        LongestRead = Math.Max(LongestRead, destination.Length);
        if (!objects.TryGetValue(name, out var bytes))
        {
            return -1;
        }

        var count = (int)Math.Clamp(bytes.Length - offset, 0, destination.Length);
        bytes.AsSpan((int)Math.Min(offset, bytes.Length), count).CopyTo(destination.Span);
        return count;
    }

    public async Task DeleteAsync(string name, CancellationToken cancellation)
    {
        await AnswerAsync(cancellation);
        Deletes++;
        objects.TryRemove(name, out _);
    }

    public async IAsyncEnumerable<StoredSegment> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await AnswerAsync(cancellation);
        foreach (var (name, bytes) in objects)
        {
            if (name.StartsWith(prefix, StringComparison.Ordinal))
            {
                yield return new StoredSegment(name, bytes.Length, DateTimeOffset.UnixEpoch);
            }
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async Task AnswerAsync(CancellationToken cancellation)
    {
        await Gate.WaitAsync(cancellation);
        if (IsBroken)
        {
            throw new IOException("The store answers with an error.");
        }
    }
}
