using System.Collections.Concurrent;

namespace Levee.ClusterLoad;

/// <summary>The histories of all keys: judges what reads give. Thread-safe.</summary>
internal sealed class ReadChecker
{
    private const int MostDescribed = 20;
    private readonly KeyHistory[] keys;
    private readonly int valueBytes;
    private readonly ConcurrentQueue<string> described = new();
    private long violations;
    private long late;

    public ReadChecker(int keyCount, int valueBytes)
    {
        this.valueBytes = valueBytes;
        keys = new KeyHistory[keyCount];
        for (var key = 0; key < keyCount; key++)
        {
            keys[key] = new KeyHistory();
        }
    }

    /// <summary>Reads that gave what they must not.</summary>
    public long Violations => Interlocked.Read(ref violations);

    /// <summary>Reads that gave a write of unknown outcome that took effect after a later write.</summary>
    public long LateReads => Interlocked.Read(ref late);

    /// <summary>The first violations, each with its key's history.</summary>
    public IEnumerable<string> Descriptions => described;

    /// <summary>Moves what was noted in time: the clock begins anew.</summary>
    public void Shift(long nanoseconds)
    {
        foreach (var key in keys)
        {
            lock (key)
            {
                key.Shift(nanoseconds);
            }
        }
    }

    /// <summary>Begins to write a key.</summary>
    /// <returns>The version; 0: another write of the key is under way.</returns>
    public int BeginWrite(int key, bool isDelete, long now)
    {
        lock (keys[key])
        {
            return keys[key].IsWriting ? 0 : keys[key].BeginWrite(isDelete, now);
        }
    }

    public void EndWrite(int key, bool isAcknowledged, long now)
    {
        lock (keys[key])
        {
            if (isAcknowledged)
            {
                keys[key].Acknowledge(now);
            }
            else
            {
                keys[key].Doubt(now);
            }
        }
    }

    public long BeginRead(int key)
    {
        lock (keys[key])
        {
            return keys[key].BeginRead();
        }
    }

    /// <summary>A read ended without a value.</summary>
    public void EndRead(int key, bool isMiss, long now)
    {
        lock (keys[key])
        {
            keys[key].EndRead(isMiss, now);
        }
    }

    /// <summary>A read ended with a value.</summary>
    public void EndRead(in Request request, ReadOnlySpan<byte> value, long now)
    {
        var isOfKey = ValueFormat.TryRead(value, request.Key, valueBytes, out var version);
        var history = keys[request.Key];
        lock (history)
        {
            if (!isOfKey)
            {
                history.EndRead(isMiss: false, now);
                Describe(request, "gave the bytes of no version of it: " + System.Text.Encoding.ASCII.GetString(value[..Math.Min(value.Length, 60)]), history);
                return;
            }

            switch (history.EndRead(version, request.KnownAtStart, now))
            {
                case Verdict.Late:
                    Interlocked.Increment(ref late);
                    break;
                case Verdict.Stale:
                    Describe(request, $"gave version {version}; when it began, position {request.KnownAtStart / 2.0:0.#} was known", history);
                    break;
                case Verdict.NeverWritten:
                    Describe(request, $"gave version {version}, which was never written", history);
                    break;
            }
        }
    }

    private void Describe(in Request request, string what, KeyHistory history)
    {
        if (Interlocked.Increment(ref violations) <= MostDescribed)
        {
            described.Enqueue(string.Join("\n  ", [$"VIOLATION: a read of key {request.Key}, sent at {request.Sent / 1e6:0.000} ms, {what}. The key's last events:", .. history.Describe()]));
        }
    }
}
