using Levee.Operations;

namespace Levee.Server.Resp;

/// <summary>What one thread has counted; plain numbers with one writer. Readers add the threads up and may be a moment behind.</summary>
internal sealed class RespCounters
{
    /// <summary>Upper bounds of the turn times, in microseconds: what a client waits for while its batch is worked on. Above the last: the histogram's rest.</summary>
    public static readonly double[] BucketBoundsUs = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000];

    private const int Outcomes = 16;

    [ThreadStatic]
    private static RespCounters? ofThisThread;

    private readonly RespServer server;
    private readonly long[] requests = new long[16 * Outcomes];
    private readonly long[] buckets = new long[BucketBoundsUs.Length + 1];

    private RespCounters(RespServer server) => this.server = server;

    public long Commands { get; private set; }

    public long BytesIn { get; private set; }

    public long BytesOut { get; private set; }

    /// <summary>Turns of a connection.</summary>
    public long Turns { get; private set; }

    /// <summary>Turns that held their loop for more than a millisecond.</summary>
    public long LongTurns { get; private set; }

    /// <summary>Sum of the turn times, each weighted by its commands, in seconds.</summary>
    public double LatencySumSeconds { get; private set; }

    /// <summary>Commands by turn time.</summary>
    public ReadOnlySpan<long> Buckets => buckets;

    /// <summary>The counters of the calling thread.</summary>
    public static RespCounters OfThisThread(RespServer server)
    {
        var counters = ofThisThread;
        if (counters is null || !ReferenceEquals(counters.server, server))
        {
            counters = ofThisThread = new RespCounters(server);
            server.Register(counters);
        }

        return counters;
    }

    public void Count(OperationKind operation, Outcome outcome) => requests[((int)operation * Outcomes) + (int)outcome]++;

    public long Requests(OperationKind operation, Outcome outcome) => requests[((int)operation * Outcomes) + (int)outcome];

    public void EndTurn(int commands, int bytesIn, long bytesOut, long elapsedTicks)
    {
        Turns++;
        Commands += commands;
        BytesIn += bytesIn;
        BytesOut += bytesOut;
        var microseconds = elapsedTicks * (1e6 / System.Diagnostics.Stopwatch.Frequency);
        LatencySumSeconds += microseconds * 1e-6 * commands;
        LongTurns += microseconds > 1000 ? 1 : 0;
        var bucket = 0;
        while (bucket < BucketBoundsUs.Length && microseconds > BucketBoundsUs[bucket])
        {
            bucket++;
        }

        buckets[bucket] += commands;
    }
}
