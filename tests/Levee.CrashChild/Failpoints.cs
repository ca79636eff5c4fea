using System.Diagnostics;

namespace Levee.CrashChild;

/// <summary>Dies at the moment that the run was told.</summary>
internal sealed class Failpoints(ChildOptions options, FrameWriter frames)
{
    private int passed;

    public void Pass(string name)
    {
        if (options.Failpoint.Length > 0 && name.StartsWith(options.Failpoint, StringComparison.Ordinal) && Interlocked.Increment(ref passed) == options.FailpointCount)
        {
            frames.WriteLast(FrameKind.Failpoint, name);
            using var self = Process.GetCurrentProcess();
            self.Kill();
            self.WaitForExit();
        }
    }
}
