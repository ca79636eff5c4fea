using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Levee.Testing;

/// <summary>A server that others wrote, as it is installed here, started for a test on a port of its own choice and ended with it. What it prints is kept.</summary>
public sealed partial class InstalledServer : IDisposable
{
    private readonly Process process;
    private readonly ConcurrentQueue<string> lines = new();

    private InstalledServer(Process process) => this.process = process;

    /// <summary>The port that it listens on.</summary>
    public int Port { get; private set; }

    /// <summary>What it has printed so far.</summary>
    public IReadOnlyCollection<string> Lines => lines;

    /// <summary>Where a program is: on PATH, or among the npm packages of NODE_PATH or of <c>.ci/run</c>; null if nowhere.</summary>
    public static string? Find(string program)
    {
        var modules = Folders("NODE_PATH").Append(Path.Combine(Repository.Root, "artifacts", "npm", "node_modules"));
        return Folders("PATH").Concat(modules.Select(folder => Path.Combine(folder, ".bin"))).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
    }

    /// <summary>Starts it, and waits until it prints the port that it listens on (the pattern's first group). What it prints is kept without colours.</summary>
    public static async Task<InstalledServer> StartAsync(string program, string portPattern, IReadOnlyDictionary<string, string> environment, CancellationToken cancellation, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        var listening = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var server = new InstalledServer(new Process { StartInfo = start, EnableRaisingEvents = true });
        server.process.OutputDataReceived += (_, printed) =>
        {
            if (printed.Data is { } coloured)
            {
                var line = Colour().Replace(coloured, "");
                server.lines.Enqueue(line);
                if (Regex.Match(line, portPattern) is { Success: true } match)
                {
                    listening.TrySetResult(int.Parse(match.Groups[1].ValueSpan));
                }
            }
        };
        server.process.ErrorDataReceived += (_, printed) => server.lines.Enqueue(printed.Data ?? "");
        server.process.Exited += (_, _) => listening.TrySetException(new InvalidOperationException($"{program} ended: {string.Join('\n', server.lines)}"));
        server.process.Start();
        server.process.BeginOutputReadLine();
        server.process.BeginErrorReadLine();
        try
        {
            server.Port = await listening.Task.WaitAsync(TimeSpan.FromSeconds(60), cancellation);
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit(5000);
        }

        process.Dispose();
    }

    [GeneratedRegex(@"\x1b\[[0-9;]*m")]
    private static partial Regex Colour();

    private static string[] Folders(string variable) => (Environment.GetEnvironmentVariable(variable) ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
}
