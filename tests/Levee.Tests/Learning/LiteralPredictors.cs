namespace Levee.Tests.Learning;

/// <summary>Progressions as the pseudo-code has them: lists, and every step spelt out.</summary>
internal sealed class LiteralStreams
{
    private readonly List<Stream> streams = [];
    private readonly List<long> ring = [];

    public List<(ulong Id, int Bucket)> Access(ulong id, bool isHit, int lead, int horizon)
    {
        var emitted = new List<(ulong, int)>();
        var k = (long)id;
        misses += isHit ? 0 : 1;
        if (streams.Find(s => k - s.Last == s.Stride) is { } continued)
        {
            continued.Run++;
            Pace(continued, 1);
            Go(continued, k, lead, horizon, emitted);
            return emitted;
        }

        if (isHit)
        {
            return emitted;
        }

        var gap = streams.Find(s => Math.Sign(k - s.Last) == Math.Sign(s.Stride) && Math.Abs(k - s.Last) <= 4 * Math.Abs(s.Stride) && (k - s.Last) % s.Stride == 0);
        if (gap is not null)
        {
            if (gap.Run > 2)
            {
                gap.Run = Math.Max(2, gap.Run * 3 / 4);
            }

            for (var member = gap.Last + gap.Stride; member != k; member += gap.Stride)
            {
                gap.Leapt.Add(member);
            }

            Pace(gap, (k - gap.Last) / gap.Stride);
            Go(gap, k, lead, horizon, emitted);
            return emitted;
        }

        if (ring.Contains(k))
        {
            return emitted;
        }

        if (streams.Find(s => k >> 32 == s.Last >> 32 && s.Leapt.Contains(k)) is { } late)
        {
            late.Leapt.Remove(k);
            late.Run++;
            return emitted;
        }

        foreach (var p in Enumerable.Reverse(ring).ToArray())
        {
            if (k != p && k >> 32 == p >> 32 && ring.Contains(p - (k - p)))
            {
                if (streams.Count == 16)
                {
                    // A new one takes the place of the old one: the order of the list is the order of the search.
                    var newborns = streams.FindAll(s => s.Run == 2);
                    streams[streams.IndexOf((newborns.Count >= 4 ? newborns : streams).MinBy(s => s.Used)!)] = new Stream { Stride = k - p, Run = 2, Ahead = k, Then = misses };
                    Go(streams.Find(s => s.Used == 0)!, k, lead, horizon, emitted);
                }
                else
                {
                    streams.Add(new Stream { Stride = k - p, Run = 2, Ahead = k, Then = misses });
                    Go(streams[^1], k, lead, horizon, emitted);
                }

                break;
            }
        }

        ring.Add(k);
        if (ring.Count > 32)
        {
            ring.RemoveAt(0);
        }

        return emitted;
    }

    private long clock;
    private long misses;

    private void Pace(Stream s, long members)
    {
        var latest = (double)(misses - s.Then) / members;
        s.Interval = s.Interval > 0 ? s.Interval + ((latest - s.Interval) / 4) : latest;
        s.Then = misses;
    }

    private void Go(Stream s, long k, int lead, int horizon, List<(ulong, int)> emitted)
    {
        s.Last = k;
        s.Leapt.RemoveAll(member => (k - member) / s.Stride > 32);
        s.Used = ++clock;
        var degree = Math.Min(s.Run, 2 * lead);
        degree = s.Interval > 1 ? Math.Min(degree, (int)(horizon / s.Interval)) : Math.Min(degree, horizon);
        degree = Math.Max(2, degree);
        var distance = Math.Max(0, (s.Ahead - k) / s.Stride);
        if (2 * distance > degree)
        {
            return;
        }

        for (var i = distance + 1; i <= degree; i++)
        {
            var x = k + (i * s.Stride);
            if (x >> 32 == k >> 32)
            {
                emitted.Add(((ulong)x, (Class(s.Run, 3, 6, 16, 64) * 4) + Class((int)i, 3, 9, 33)));
            }
        }

        s.Ahead = k + (degree * s.Stride);
    }

    internal static int Class(int value, params ReadOnlySpan<int> bounds)
    {
        var number = 0;
        foreach (var bound in bounds)
        {
            number += value >= bound ? 1 : 0;
        }

        return number;
    }

    private sealed class Stream
    {
        public long Last;
        public long Stride;
        public int Run;
        public long Ahead;
        public long Used;
        public long Then;
        public double Interval;
        public readonly List<long> Leapt = [];
    }
}

/// <summary>The log of misses as the pseudo-code has it, without an end to the log and with an index that forgets nothing that was written to it.</summary>
internal sealed class LiteralLog
{
    private readonly List<ulong> log = [];
    private readonly Dictionary<ulong, int> index = [];
    private readonly List<Follower> followers = [];
    private long clock;

    public List<(ulong Id, int Bucket)> Access(ulong id, int lead)
    {
        var emitted = new List<(ulong, int)>();
        var follower = followers.Find(f => StepTo(f, id) > 0);
        if (follower is not null)
        {
            follower.Position += StepTo(follower, id);
            follower.Confidence++;
            follower.Degree = Math.Min(lead, 2 * follower.Degree);
            Follow(follower, emitted);
        }
        else if (index.TryGetValue(id, out var position))
        {
            follower = new Follower { Position = position, Degree = 4 };
            var then = log.GetRange(Math.Max(0, position - 4), position - Math.Max(0, position - 4));
            follower.HasContext = log.TakeLast(4).Any(then.Contains);
            if (followers.Count < 8)
            {
                followers.Add(follower);
            }
            else
            {
                followers[followers.IndexOf(followers.MinBy(f => f.Used)!)] = follower;
            }

            Follow(follower, emitted);
        }

        if (log.Count % 2 == 0)
        {
            index[id] = log.Count;
        }

        log.Add(id);
        return emitted;
    }

    private int StepTo(Follower follower, ulong id)
    {
        for (var step = 1; step <= 8 && follower.Position + step < log.Count; step++)
        {
            if (log[follower.Position + step] == id)
            {
                return step;
            }
        }

        return 0;
    }

    private void Follow(Follower follower, List<(ulong, int)> emitted)
    {
        follower.Used = ++clock;
        var end = Math.Min(log.Count - 1, follower.Position + follower.Degree);
        for (var q = Math.Max(follower.Ahead, follower.Position) + 1; q <= end; q++)
        {
            var confidence = follower.Confidence == 0 ? follower.HasContext ? 1 : 0 : 1 + LiteralStreams.Class(follower.Confidence, 1, 2, 6);
            emitted.Add((log[q], (confidence * 4) + LiteralStreams.Class(q - follower.Position, 3, 7, 15)));
        }

        follower.Ahead = Math.Max(follower.Ahead, end);
    }

    private sealed class Follower
    {
        public int Position;
        public int Ahead;
        public int Confidence;
        public int Degree;
        public bool HasContext;
        public long Used;
    }
}
