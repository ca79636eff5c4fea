using System.Text;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;

namespace Levee.Testing;

/// <summary>One partition with memory, time and a sink of its own.</summary>
public sealed class TestBed : IDisposable
{
    private long ticket;

    public TestBed(long capacityBytes = 2 << 20, long reserveBytes = 1 << 20, PartitionOptions? options = null)
    {
        Arena = new PageArena(capacityBytes + reserveBytes);
        Share = new PageShare(Arena, capacityBytes);
        Large = new LargeValueStore(Arena, 1 << 20);
        Partition = new Partition(Share, options ?? new PartitionOptions { Seed = 1, MaxValueBytes = 256 * 1024 });
    }

    public PageArena Arena { get; }

    public PageShare Share { get; }

    public LargeValueStore Large { get; }

    public Partition Partition { get; }

    public CopyingSink Sink { get; } = new();

    public long Now { get; set; } = 1_700_000_000_000;

    public static Operation On(string key, OperationKind kind)
    {
        var bytes = Encoding.UTF8.GetBytes(key);
        return new Operation { Kind = kind, Key = bytes, Hash = KeyHash.Of(bytes) };
    }

    public static byte[] Pack(params ReadOnlySpan<string> tags)
    {
        var packed = new byte[1024];
        var length = 0;
        foreach (var tag in tags)
        {
            length += TagList.Write(packed.AsSpan(length), Encoding.UTF8.GetBytes(tag));
        }

        return packed[..length];
    }

    /// <summary>Executes and returns the last answer; all of them are in <see cref="Sink"/>.</summary>
    public CopiedAnswer Do(scoped in Operation operation)
    {
        Sink.Answers.Clear();
        Partition.Execute(operation, Now, Sink, ++ticket);
        return Sink.Last;
    }

    public CopiedAnswer Get(string key) => Do(On(key, OperationKind.Get));

    public CopiedAnswer Peek(string key) => Do(On(key, OperationKind.Peek));

    public CopiedAnswer Delete(string key) => Do(On(key, OperationKind.Delete));

    /// <summary>Sets a value, as a large one where it is too long to be inline.</summary>
    public CopiedAnswer Set(string key, ReadOnlySpan<byte> value, long expiresAt = 0, long slidingMs = 0, long jitterMs = 0, params ReadOnlySpan<string> tags)
    {
        var operation = On(key, OperationKind.Set);
        operation.ExpiresAt = expiresAt;
        operation.SlidingMs = slidingMs;
        operation.JitterMs = jitterMs;
        operation.Tags = Pack(tags);
        return SetValue(operation, value);
    }

    /// <summary>Completes and executes a set; a large value that was not stored is let go.</summary>
    public CopiedAnswer SetValue(scoped Operation operation, ReadOnlySpan<byte> value)
    {
        byte[] copy = [.. value];
        if (value.Length <= Limits.MaxInlineBytes)
        {
            operation.Value = copy;
            return Do(operation);
        }

        operation.Large = Large.TryCreate(copy);
        if (operation.Large is null)
        {
            return new CopiedAnswer(0, Outcome.OutOfMemory, 0, null, null);
        }

        var answer = Do(operation);
        if (answer.Outcome != Outcome.Stored)
        {
            operation.Large.Release();
        }

        return answer;
    }

    /// <summary>Maintains until there is nothing to do.</summary>
    public int MaintainAll()
    {
        var slices = 0;
        while (Partition.Maintain(Now) != MaintenanceWork.None)
        {
            slices++;
        }

        return slices;
    }

    public void Dispose() => Arena.Dispose();
}
