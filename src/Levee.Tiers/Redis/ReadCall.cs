using System.Collections.Concurrent;
using System.Threading.Tasks.Sources;
using Levee.Segments;

namespace Levee.Tiers.Redis;

/// <summary>A read under way, pooled: what was asked, what was known when it was asked, and who waits. The link's reader notes the answer; a thread of the pool verifies it.</summary>
internal sealed class ReadCall(RedisTier tier) : IValueTaskSource<TierRead>
{
    private ManualResetValueTaskSourceCore<TierRead> source;

    /// <summary>The hash.</summary>
    public ulong Hash { get; set; }

    /// <summary>The key; borrowed until the read ends. Null: whichever key the record has.</summary>
    public ReadOnlyMemory<byte>? Key { get; set; }

    /// <summary>Where the index said that the record is.</summary>
    public SegmentLocation Place { get; set; }

    /// <summary>Whether the index knew the hash; if not, Redis was being listed.</summary>
    public bool IsKnown { get; set; }

    /// <summary>How often it was asked.</summary>
    public int Attempts { get; set; }

    /// <summary>When it was asked.</summary>
    public long AskedAt { get; set; }

    /// <summary>The answer.</summary>
    public RentedRecord? Record { get; set; }

    /// <summary>What the server refused with.</summary>
    public RedisErrorKind Error { get; private set; }

    /// <summary>For who waits.</summary>
    public ValueTask<TierRead> Task => new(this, source.Version);

    /// <summary>Notes the answer, which the read takes over; without a record there is none, or the server refused.</summary>
    public void Answer(RentedRecord? record, RedisErrorKind error)
    {
        Record = record;
        Error = error;
    }

    /// <summary>Looks at the answer, and ends the read or asks again.</summary>
    public void Verify() => tier.Verify(this);

    /// <summary>Ends the read.</summary>
    public void Complete(TierRead read) => source.SetResult(read);

    TierRead IValueTaskSource<TierRead>.GetResult(short token)
    {
        var read = source.GetResult(token);
        tier.Return(this);
        return read;
    }

    ValueTaskSourceStatus IValueTaskSource<TierRead>.GetStatus(short token) => source.GetStatus(token);

    void IValueTaskSource<TierRead>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        source.OnCompleted(continuation, state, token, flags);

    /// <summary>Makes it ready for the next read.</summary>
    public void Reset()
    {
        source.Reset();
        Key = null;
        Record = null;
        Attempts = 0;
    }
}

/// <summary>Reads that are not in use.</summary>
internal sealed class ReadPool(RedisTier tier)
{
    private readonly ConcurrentQueue<ReadCall> free = new();

    /// <summary>One that is ready.</summary>
    public ReadCall Rent() => free.TryDequeue(out var call) ? call : new ReadCall(tier);

    /// <summary>Gives it back.</summary>
    public void Return(ReadCall call)
    {
        call.Reset();
        free.Enqueue(call);
    }
}
