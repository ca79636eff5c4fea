namespace Levee.Server;

/// <summary>Whether the server takes requests. The server says so when its listeners are up, and takes it back when it begins to stop. Safe for threads.</summary>
public sealed class ReadinessState
{
    private volatile string? obstacle = "starting";

    /// <summary>What the server waits for; null when it is ready.</summary>
    public string? Obstacle => obstacle;

    /// <summary>All listeners are up.</summary>
    public void SetReady() => obstacle = null;

    /// <summary>The server does not take requests (any more).</summary>
    /// <param name="reason">Why, in a few words: "stopping".</param>
    public void SetNotReady(string reason)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        obstacle = reason;
    }
}
