using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Levee.Resp;
using Xunit;

namespace Levee.Tiers.Tests.Redis;

/// <summary>A real redis-server on a free loopback port with a folder of its own, stopped by its process id.</summary>
internal sealed partial class RedisServer : IAsyncDisposable
{
    private const int SignalContinue = 18;
    private const int SignalStop = 19;

    private readonly string[] arguments;
    private Process process;

    private RedisServer(int port, string folder, string[] arguments, Process process)
    {
        Port = port;
        Folder = folder;
        this.arguments = arguments;
        this.process = process;
    }

    public int Port { get; }

    public string Folder { get; }

    public static string? Program { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, "redis-server")).FirstOrDefault(File.Exists);

    /// <summary>Starts one; skips the test where none is installed.</summary>
    public static async Task<RedisServer> StartAsync(params string[] arguments)
    {
        Assert.SkipWhen(Program is null, "redis-server is not installed: no program of this name is on the PATH.");
        var port = FreePort();
        var folder = Directory.CreateTempSubdirectory("levee-redis-").FullName;
        var server = new RedisServer(port, folder, arguments, Launch(port, folder, arguments));
        await server.WaitAsync();
        return server;
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public void Pause() => Signal(SignalStop);

    public void Continue() => Signal(SignalContinue);

    /// <summary>Kills it, as a crash would.</summary>
    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
    }

    /// <summary>Starts it anew on the same port; it loads dump.rdb where there is one.</summary>
    public async Task RestartAsync()
    {
        process.Dispose();
        process = Launch(Port, Folder, arguments);
        await WaitAsync();
    }

    public async Task<RespValue> CallAsync(params RespArgument[] command)
    {
        await using var connection = await RespConnection.ConnectAsync("127.0.0.1", Port);
        return await connection.CallAsync(command);
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            await KillAsync();
        }

        process.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private static Process Launch(int port, string folder, string[] arguments)
    {
        var start = new ProcessStartInfo(Program!) { RedirectStandardOutput = true, RedirectStandardError = true };
        string[] all = ["--port", port.ToString(CultureInfo.InvariantCulture), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no", .. arguments];
        foreach (var argument in all)
        {
            start.ArgumentList.Add(argument);
        }

        var process = Process.Start(start)!;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private async Task WaitAsync()
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                using var probe = new TcpClient();
                await probe.ConnectAsync(IPAddress.Loopback, Port);
                return;
            }
            catch (SocketException) when (attempt < 500 && !process.HasExited)
            {
                await Task.Delay(10);
            }
        }
    }

    private void Signal(int signal) => Assert.Equal(0, Kill(process.Id, signal));

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
