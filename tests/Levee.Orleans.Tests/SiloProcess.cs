using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Levee.Resp;
using Levee.Testing;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>A silo as the process that a user starts, on free ports.</summary>
internal sealed partial class SiloProcess : IAsyncDisposable
{
    private readonly Process process;
    private readonly ConcurrentQueue<string> lines = new();
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private SiloProcess(Process process) => this.process = process;

    /// <summary>The program, where the silo project beside this one was built.</summary>
    public static string Program { get; } = Path.Combine(Repository.Root, "silo", Path.GetRelativePath(Path.Combine(Repository.Root, "tests", "Levee.Orleans.Tests"), AppContext.BaseDirectory), "Levee.Silo.dll");

    /// <summary>The script that makes PostgreSQL ready, where the program has it.</summary>
    public static string PostgresScript { get; } = Path.Combine(Path.GetDirectoryName(Program)!, "sql", "postgres.sql");

    public int RespPort { get; private set; }

    public Uri Http { get; private set; } = null!;

    /// <summary>Where other silos find it.</summary>
    public string Endpoint { get; private set; } = "";

    public int ExitCode => process.ExitCode;

    /// <summary>What it has printed.</summary>
    public string Printed => string.Join('\n', lines);

    /// <summary>Starts one that is to serve.</summary>
    public static async Task<SiloProcess> StartAsync(IReadOnlyDictionary<string, string> environment, params string[] options)
    {
        var silo = Launch(environment, options);
        try
        {
            await silo.ready.Task.WaitAsync(Eventually.Patience, TestContext.Current.CancellationToken);
            return silo;
        }
        catch
        {
            await silo.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts one that is to refuse: what it ends with, and what it printed.</summary>
    public static async Task<(int ExitCode, string Printed)> FailAsync(IReadOnlyDictionary<string, string> environment, params string[] options)
    {
        await using var silo = Launch(environment, options);
        await silo.EndedAsync();
        return (silo.ExitCode, silo.Printed);
    }

    private static SiloProcess Launch(IReadOnlyDictionary<string, string> environment, string[] options)
    {
        Assert.SkipUnless(File.Exists(Program), $"the silo is not built: {Program}");

        // Without a folder of its own it keeps nothing below memory.
        var hasFolder = options.Contains("--data-dir");
        var start = new ProcessStartInfo("dotnet", [Program, "--resp-port", "0", "--http-port", "0", "--silo-port", "0", "--gateway-port", "0", "--memory", "128mb", .. hasFolder ? (string[])[] : ["--tier", "none"], .. options])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetTempPath(),
        };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        var silo = new SiloProcess(new Process { StartInfo = start, EnableRaisingEvents = true });
        silo.process.OutputDataReceived += (_, printed) => silo.Read(printed.Data);
        silo.process.ErrorDataReceived += (_, printed) => silo.Read(printed.Data);
        silo.process.Exited += (_, _) => silo.ready.TrySetException(new InvalidOperationException($"The silo ended: {silo.Printed}"));
        silo.process.Start();
        silo.process.BeginOutputReadLine();
        silo.process.BeginErrorReadLine();
        return silo;
    }

    public Task<RespConnection> ConnectAsync() => RespConnection.ConnectAsync("127.0.0.1", RespPort, cancellationToken: TestContext.Current.CancellationToken);

    /// <summary>Sends a signal to this process alone: TERM, KILL, STOP, CONT.</summary>
    public async Task SignalAsync(string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Eventually.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(0, kill.ExitCode);
    }

    public Task EndedAsync() => process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Eventually.Patience, TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None).WaitAsync(Eventually.Patience, CancellationToken.None);
        }

        process.Dispose();
    }

    private void Read(string? line)
    {
        if (line is null)
        {
            return;
        }

        lines.Enqueue(line);
        if (Doors().Match(line) is { Success: true } doors)
        {
            RespPort = int.Parse(doors.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
            Http = new Uri(doors.Groups[2].Value);
        }
        else if (Places().Match(line) is { Success: true } places)
        {
            Endpoint = places.Groups[1].Value;
        }
        else if (line.StartsWith("  Try", StringComparison.Ordinal))
        {
            ready.TrySetResult();
        }
    }

    [GeneratedRegex(@"RESP on [^ ]*:(\d+), HTTP on (http://[^, ]*)")]
    private static partial Regex Doors();

    [GeneratedRegex(@"silo on ([^, ]*), gateway")]
    private static partial Regex Places();
}
