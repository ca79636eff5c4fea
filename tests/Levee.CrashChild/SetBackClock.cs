namespace Levee.CrashChild;

/// <summary>The system's time, some way back.</summary>
internal sealed class SetBackClock(TimeSpan back) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() - back;
}
