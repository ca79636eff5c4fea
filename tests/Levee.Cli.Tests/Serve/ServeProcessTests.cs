using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Net;
using Levee.Resp;
using Levee.Serving;
using Xunit;

namespace Levee.Cli.Tests.Serve;

/// <summary>The server as the process that a user starts and stops.</summary>
public sealed class ServeProcessTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    public async Task A_signal_stops_the_server_cleanly(string signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no signals to send");
        using var server = Start("--resp-port", "0", "--http-port", "0", "--memory", "32mb", "--tier", "none");
        Assert.StartsWith("Levee is ready: ", await ReadToAsync(server, "Levee"), StringComparison.Ordinal);
        Assert.Contains("nothing: what memory has no room for is gone", await ReadToAsync(server, "  Below"), StringComparison.Ordinal);
        await ReadToAsync(server, "  Ctrl-C stops it");
        using var kill = Process.Start("kill", [$"-{signal}", $"{server.Id}"]);
        var (output, error) = await EndAsync(server);
        Assert.Equal("levee: stopped|", $"{output.Trim()}|{error}");
        Assert.Equal(ExitCode.Ok, server.ExitCode);
    }

    [Theory]
    [InlineData("evict", "TERM")]
    [InlineData("through", "KILL")]
    public async Task What_was_written_is_there_after_a_restart(string durability, string signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no signals to send");
        var folder = Directory.CreateTempSubdirectory("levee-serve-").FullName;
        try
        {
            string[] options = ["--resp-port", "0", "--http-port", "0", "--memory", "32mb", "--data-dir", folder, "--tier-capacity", "64mb", "--durability", durability];
            using (var server = Start(options))
            {
                await using var client = await ConnectAsync(server);
                Assert.Equal("OK", (await client.CallAsync(["SET", "greeting", "hello"], TestContext.Current.CancellationToken)).ToString());
                using var kill = Process.Start("kill", [$"-{signal}", $"{server.Id}"]);
                await EndAsync(server);
            }

            using var next = Start(options);
            await using var again = await ConnectAsync(next);

            // Until the tier has recovered, a miss is an answer too.
            var found = "";
            for (var began = Stopwatch.GetTimestamp(); found != "hello" && Stopwatch.GetElapsedTime(began) < Patience;)
            {
                found = (await again.CallAsync(["GET", "greeting"], TestContext.Current.CancellationToken)).ToString() ?? "";
            }

            Assert.Equal("hello", found);
            next.Kill();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_files_tier_that_another_server_has_is_refused()
    {
        var folder = Directory.CreateTempSubdirectory("levee-serve-").FullName;
        try
        {
            string[] Options(string state) => ["--resp-port", "0", "--http-port", "0", "--memory", "32mb", "--data-dir", Path.Combine(folder, state), "--tier", $"file://{folder}/shared", "--tier-capacity", "64mb"];
            using var first = Start(Options("a"));
            await using var client = await ConnectAsync(first);
            using var second = Start(Options("b"));
            var (_, error) = await EndAsync(second);
            Assert.Contains("is in use by another process", error, StringComparison.Ordinal);
            Assert.NotEqual(ExitCode.Ok, second.ExitCode);
            first.Kill();
            await first.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_taken_port_is_named_with_its_flag_and_variable_before_anything_listens()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        using var server = Start("--resp-port", "0", "--http-port", $"{port}", "--memory", "32mb", "--tier", "none");
        var (output, error) = await EndAsync(server);
        Assert.Equal("", output);
        Assert.Contains($"port {port} on 127.0.0.1 is taken", error, StringComparison.Ordinal);
        Assert.Contains(ServeOption.HttpPort.Flag, error, StringComparison.Ordinal);
        Assert.Contains(ServeOption.HttpPort.Variable, error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Error, server.ExitCode);
    }

    [Theory]
    [InlineData("--memory 1mb", "memory is '1mb' (from --memory); allowed: a size")]
    [InlineData("--partitions 3", "partitions is '3' (from --partitions); allowed: a power of two")]
    [InlineData("--bind 0.0.0.0", "bind is '0.0.0.0' (from --bind): that opens the listeners to the network, and nobody is asked for a password; allowed: with --password (LEVEE__PASSWORD), or with --insecure")]
    [InlineData("--tier none --tier file", "tier is 'none file' (from --tier); allowed: none, file,")]
    [InlineData("--tier redis://user:hunter2@host/x", "tier is 'redis://***' (from --tier): The path of a Redis tier's URI is the database's number")]
    [InlineData("--tier none --encryption-keys keys", "encryption-keys is '(not shown)' (from --encryption-keys): nothing leaves memory")]
    [InlineData("--caches ..=16mb --memory 64mb", "caches is '..=16mb' (from --caches): cache '..' of 16mb cannot have that.")]
    [InlineData("--compress brotli:99", "compress is 'brotli:99' (from --compress); allowed: none; zlib")]
    [InlineData("--pasword hunter2", "'--pasword'")]
    [InlineData("--caches sessions", "caches is 'sessions' (from --caches); allowed: names")]
    [InlineData("--memory 32mb --caches a=32mb", "leave 0 bytes of --memory for the default cache")]
    [InlineData("--default-ttl-jitter 5s", "default-ttl-jitter is '5s' (from --default-ttl-jitter); allowed: a time from 0 to the default TTL")]
    [InlineData("--policy fifo", "policy is 'fifo' (from --policy); allowed: arc, lru")]
    [InlineData("--config nowhere.json", "--config names nowhere.json, which does not exist")]
    public async Task A_wrong_option_is_named_with_what_is_allowed(string options, string message)
    {
        var error = new StringWriter();
        var code = await CommandRoot.InvokeAsync(["serve", .. options.Split(' ')], TextWriter.Null, error, TestContext.Current.CancellationToken);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains(message, error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--data-dir /proc/levee/x", "--data-dir: the folder /proc/levee/x/")]
    [InlineData("--tier file:///proc/levee/x", "tier file:///proc/levee/x cannot be used")]
    [InlineData("--tier none --bind 192.0.2.1 --insecure", "192.0.2.1 is no address of this machine; choose another with --bind")]
    public async Task What_cannot_start_ends_in_one_sentence(string options, string message)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no /proc");
        var folder = Directory.CreateTempSubdirectory("levee-serve-").FullName;
        try
        {
            var error = new StringWriter();
            string[] given = ["serve", "--memory", "32mb", "--resp-port", "0", "--http-port", "0", .. options.Split(' ')];
            var code = await CommandRoot.InvokeAsync(options.Contains("--data-dir", StringComparison.Ordinal) ? given : [.. given, "--data-dir", folder], TextWriter.Null, error, TestContext.Current.CancellationToken);
            Assert.Equal(ExitCode.Error, code);
            Assert.StartsWith("levee: " + message, error.ToString(), StringComparison.Ordinal);
            Assert.Equal(1, error.ToString().Count(static letter => letter == '\n'));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<RespConnection> ConnectAsync(Process server)
    {
        var line = await ReadToAsync(server, "  Clients");
        var port = line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..line.IndexOf(',', StringComparison.Ordinal)];
        return await RespConnection.ConnectAsync("127.0.0.1", int.Parse(port, CultureInfo.InvariantCulture), cancellationToken: TestContext.Current.CancellationToken);
    }

    /// <summary>The next line that begins so.</summary>
    private static async Task<string> ReadToAsync(Process server, string start)
    {
        while (true)
        {
            var line = await server.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Patience, TestContext.Current.CancellationToken);
            Assert.NotNull(line);
            if (line.StartsWith(start, StringComparison.Ordinal))
            {
                return line;
            }
        }
    }

    private static Process Start(params string[] options) => Process.Start(new ProcessStartInfo("dotnet", [typeof(CommandRoot).Assembly.Location, "serve", .. options])
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        WorkingDirectory = Path.GetTempPath(),
    })!;

    /// <summary>What a process says until it ends; ends it where it does not by itself.</summary>
    private static async Task<(string Output, string Error)> EndAsync(Process process)
    {
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        try
        {
            await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken);
        }
        finally
        {
            process.Kill();
        }

        return (await output, await error);
    }
}
