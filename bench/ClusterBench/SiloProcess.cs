using System.Diagnostics;
using System.Net;

namespace Levee.ClusterBench;

/// <summary>A silo in a process of its own.</summary>
internal sealed class SiloProcess : IDisposable
{
    private readonly Process process;
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private SiloProcess(Process process, IPEndPoint silo, IPEndPoint gateway)
    {
        this.process = process;
        Silo = silo;
        Gateway = gateway;
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.BeginOutputReadLine();
    }

    public IPEndPoint Silo { get; }

    public IPEndPoint Gateway { get; }

    /// <summary>What it has used of the processors since its start.</summary>
    public TimeSpan Cpu
    {
        get
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
    }

    /// <summary>Starts one on free ports and waits until it has started.</summary>
    /// <param name="arguments">Where the program is, and how many partitions and how much memory it gets.</param>
    /// <param name="join">The silo to join; null: this is the first.</param>
    public static async Task<SiloProcess> StartAsync(BenchArguments arguments, IPEndPoint? join = null)
    {
        var program = arguments.Text("silo", "silo/bin/Release/net10.0/Levee.Silo.dll");
        var silo = new IPEndPoint(IPAddress.Loopback, CallBench.FreePort());
        var gateway = new IPEndPoint(IPAddress.Loopback, CallBench.FreePort());
        string[] options =
        [
            program, "--silo-port", $"{silo.Port}", "--gateway-port", $"{gateway.Port}", "--resp-port", "0", "--http-port", "0", "--tier", "none", "--lease", "60s", "--dashboard", "no",
            "--memory", arguments.Text("memory", "512mb"), "--partitions", arguments.Text("partitions", "16"), "--name", $"bench-{silo.Port}", .. join is null ? Array.Empty<string>() : ["--join", join.ToString()],
        ];
        var started = Process.Start(new ProcessStartInfo("dotnet", options) { RedirectStandardOutput = true })!;
        var result = new SiloProcess(started, silo, gateway);
        await result.ready.Task.WaitAsync(TimeSpan.FromMinutes(2));
        return result;
    }

    public void Dispose()
    {
        process.Kill();
        process.WaitForExit();
        process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null)
        {
            ready.TrySetException(new InvalidOperationException("The silo has ended."));
        }
        else if (line.StartsWith("try", StringComparison.Ordinal))
        {
            ready.TrySetResult();
        }
    }
}
