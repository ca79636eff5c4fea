namespace Levee.Testing;

/// <summary>Time that passes when the test says so, with timers that fire on the thread that lets it pass.</summary>
public sealed class SteppedTime : TimeProvider
{
    private readonly Lock gate = new();
    private readonly List<Alarm> alarms = [];
    private long milliseconds = 1_700_000_000_000;

    public override long TimestampFrequency => 1000;

    /// <summary>Timers that are to fire.</summary>
    public int Armed
    {
        get
        {
            lock (gate)
            {
                return alarms.Count(alarm => alarm.DueMs != long.MaxValue);
            }
        }
    }

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(GetTimestamp());

    public override long GetTimestamp()
    {
        lock (gate)
        {
            return milliseconds;
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var alarm = new Alarm(this, callback, state);
        lock (gate)
        {
            alarms.Add(alarm);
        }

        alarm.Change(dueTime, period);
        return alarm;
    }

    /// <summary>Lets time pass, millisecond by millisecond as far as timers are concerned.</summary>
    public void Advance(long byMilliseconds)
    {
        var until = GetTimestamp() + byMilliseconds;
        while (true)
        {
            Alarm? due;
            lock (gate)
            {
                due = alarms.Where(alarm => alarm.DueMs <= until).MinBy(alarm => alarm.DueMs);
                if (due is null)
                {
                    milliseconds = until;
                    return;
                }

                milliseconds = Math.Max(milliseconds, due.DueMs);
                due.Rearm(milliseconds);
            }

            due.Fire();
        }
    }

    private sealed class Alarm(SteppedTime time, TimerCallback callback, object? state) : ITimer
    {
        private long periodMs;

        public long DueMs { get; private set; } = long.MaxValue;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time.gate)
            {
                periodMs = period == Timeout.InfiniteTimeSpan ? 0 : Math.Max(1, (long)period.TotalMilliseconds);
                DueMs = dueTime == Timeout.InfiniteTimeSpan ? long.MaxValue : time.milliseconds + Math.Max(0, (long)Math.Ceiling(dueTime.TotalMilliseconds));
                return true;
            }
        }

        public void Rearm(long now) => DueMs = periodMs == 0 ? long.MaxValue : now + periodMs;

        public void Fire() => callback(state);

        public void Dispose()
        {
            lock (time.gate)
            {
                time.alarms.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
