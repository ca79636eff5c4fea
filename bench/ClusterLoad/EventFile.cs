namespace Levee.ClusterLoad;

/// <summary>Follows a file or named pipe into which somebody writes a line for each thing done to the servers.</summary>
internal static class EventFile
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    /// <summary>Calls back for each line until cancelled. What is in the file already counts as now.</summary>
    /// <param name="path">The file or pipe; it must exist.</param>
    /// <param name="happened">Gets each line.</param>
    /// <param name="time">The clock of the pauses.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task FollowAsync(string path, Action<string> happened, TimeProvider time, CancellationToken cancellation)
    {
        // Open for writing as well: a pipe then has no end when a writer goes away, and opening it waits for nobody.
        await using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        var buffer = new byte[4096];
        var line = new List<byte>();
        while (!cancellation.IsCancellationRequested)
        {
            int count;
            try
            {
                count = await file.ReadAsync(buffer, cancellation);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            foreach (var letter in buffer.AsSpan(0, count))
            {
                if (letter != '\n')
                {
                    line.Add(letter);
                    continue;
                }

                happened(System.Text.Encoding.UTF8.GetString([.. line]).Trim());
                line.Clear();
            }

            if (count == 0)
            {
                await Task.Delay(Pause, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }
}
