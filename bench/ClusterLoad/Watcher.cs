using System.Net;
using Levee.Resp;

namespace Levee.ClusterLoad;

/// <summary>
/// A reader that stays with one server and waits as long as it takes: what a server answers that was stopped and goes on is checked like every other read.
/// </summary>
internal sealed class Watcher : IOutcomes, IAsyncDisposable
{
    // Answers that took longer were given by a server that had stood still.
    private const long LongNanoseconds = 1_000_000_000;

    private readonly ReadChecker checker;
    private readonly LoadConnection connection;
    private readonly Func<long> now;
    private readonly string name;
    private long hits;
    private long misses;
    private long errors;
    private long lost;
    private long longHits;
    private long longMisses;
    private long longErrors;
    private string? firstError;

    public Watcher(DnsEndPoint server, int valueBytes, ReadChecker checker, Func<long> now, TimeProvider time)
    {
        this.checker = checker;
        this.now = now;
        name = $"{server.Host}:{server.Port}";
        connection = new LoadConnection([server], 0, valueBytes, this, time);
        connection.Start();
    }

    /// <summary>Sends one read, if the connection is open.</summary>
    public void Read(int key)
    {
        if (connection.IsOpen)
        {
            var at = now();
            if (!connection.TryAdd(new Request(RequestKind.Get, key, 0, checker.BeginRead(key), at, at)))
            {
                checker.EndRead(key, isMiss: false, at);
            }
        }
    }

    public void Flush() => connection.Flush();

    public void Answered(LoadConnection from, in Request request, in RespValue reply)
    {
        var at = now();
        var isLong = at - request.Sent > LongNanoseconds;
        if (reply.IsError)
        {
            firstError ??= reply.ToString();
            checker.EndRead(request.Key, isMiss: false, at);
            Count(ref errors, ref longErrors, isLong);
        }
        else if (reply.IsNull)
        {
            checker.EndRead(request.Key, isMiss: true, at);
            Count(ref misses, ref longMisses, isLong);
        }
        else
        {
            checker.EndRead(request, reply.Bytes.Span, at);
            Count(ref hits, ref longHits, isLong);
        }
    }

    public void Failed(in Request request, Failure failure)
    {
        checker.EndRead(request.Key, isMiss: false, now());
        Interlocked.Increment(ref lost);
    }

    public void Disconnected(LoadConnection from, int underWay)
    {
        // Its requests were counted as lost; it comes back to the same server.
    }

    public override string ToString() =>
        $"watched {name}: {hits} hits, {misses} misses, {errors} errors, {lost} lost with the connection; of those that took more than 1 s: {longHits} hits, {longMisses} misses, {longErrors} errors"
        + (firstError is null ? "" : $"; first error: {firstError}");

    public ValueTask DisposeAsync() => connection.DisposeAsync();

    private static void Count(ref long all, ref long late, bool isLong)
    {
        Interlocked.Increment(ref all);
        if (isLong)
        {
            Interlocked.Increment(ref late);
        }
    }
}
