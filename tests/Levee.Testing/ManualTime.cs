namespace Levee.Testing;

/// <summary>Time that passes when the test says so.</summary>
public sealed class ManualTime : TimeProvider
{
    private long milliseconds = 1_700_000_000_000;

    public long Milliseconds => Interlocked.Read(ref milliseconds);

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(Milliseconds);

    public void Advance(long byMilliseconds) => Interlocked.Add(ref milliseconds, byMilliseconds);
}
