using System.Diagnostics;
using System.Globalization;
using System.Net;
using Levee.Resp;
using Levee.Testing;
using Levee.Tiers.Tests.Redis;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>Real silos in processes of their own: written to, stopped, killed, frozen and added, and looked at from outside.</summary>
public sealed class EndToEndTests(ITestOutputHelper output)
{
    private const int Keys = 400;
    private const int Rounds = 20;

    private static readonly TimeSpan Patience = Eventually.Patience;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("localhost")]
    [InlineData("redis")]
    [InlineData("postgres")]
    [InlineData("azure")]
    public async Task ValuesAreTrueWhileSilosAreStoppedKilledFrozenAndAdded(string clustering)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no signals to send");
        await using var store = await ClusterStore.StartAsync(clustering);
        await using var first = await SiloProcess.StartAsync(store.Environment, store.Options);
        string[] joining = store.IsFirstSilo ? [.. store.Options, "--join", first.Endpoint] : store.Options;
        await using var stopped = await SiloProcess.StartAsync(store.Environment, joining);
        await using var killed = await SiloProcess.StartAsync(store.Environment, joining);
        await using var door = await first.ConnectAsync();
        await WriteAllAsync(door, "1");
        foreach (var silo in (SiloProcess[])[stopped, killed])
        {
            await using var other = await silo.ConnectAsync();
            await AllAreAsync(other, "1");
        }

        await BenchmarkAsync(first);

        // A planned stop loses nothing.
        await WriteAllAsync(door, "2");
        await stopped.SignalAsync("TERM");
        await stopped.EndedAsync();
        Assert.True(stopped.ExitCode == 0, stopped.Printed);
        await AllAreAsync(door, "2");

        // A killed silo loses what it had, and nothing older comes back. Only where the owners are kept outside of the cluster, silos die here.
        if (!store.IsFirstSilo)
        {
            await killed.SignalAsync("KILL");
            await killed.EndedAsync();
            Assert.DoesNotContain(await ReadAllAsync(door), value => value is not "2" and not "");
        }

        // One that is added takes its place, and answers for every key.
        await using var frozen = await SiloProcess.StartAsync(store.Environment, joining);
        await using var own = await frozen.ConnectAsync();
        await WriteAllAsync(door, "3");
        await AllAreAsync(own, "3");
        await AllAreAsync(door, "3");
        await LookAsync(first);

        // A frozen silo is replaced. When it goes on it answers nothing older, whoever asks.
        if (!store.IsFirstSilo)
        {
            await frozen.SignalAsync("STOP");
            await WriteAllAsync(door, "4");
            var asked = ReadAllAsync(own);
            await frozen.SignalAsync("CONT");
            Assert.DoesNotContain(await asked, value => value is not "4" and not "");
            for (var i = 0; i < 5; i++)
            {
                Assert.DoesNotContain(await ReadAllAsync(own), value => value is not "4" and not "");
            }

            // Nothing older through the other door either; a read that has to wait for too long is a miss.
            Assert.DoesNotContain(await ReadAllAsync(door), value => value is not "4" and not "");
            await LookAsync(first);
            await first.SignalAsync("TERM");
            await first.EndedAsync();
            Assert.True(first.ExitCode == 0, first.Printed);
        }
    }

    /// <summary>Nothing writes to storage, or to a grain, after it is gone: a clean stop has nothing to report.</summary>
    [Fact]
    public async Task ASiloAloneStopsWithoutAWord()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no signals to send");
        await using var silo = await SiloProcess.StartAsync(new Dictionary<string, string>(), "--cluster-id", $"alone-{Environment.ProcessId}");
        await using (var door = await silo.ConnectAsync())
        {
            await WriteAllAsync(door, "1");
        }

        var before = silo.Printed.Split('\n').Length;
        await silo.SignalAsync("TERM");
        await silo.EndedAsync();
        Assert.True(silo.ExitCode == 0, silo.Printed);
        Assert.Equal("levee: stopped", string.Join('\n', silo.Printed.Split('\n').Skip(before)));
    }

    /// <summary>Writes all keys, each until it is acknowledged.</summary>
    private static async Task WriteAllAsync(RespConnection door, string value)
    {
        var began = Stopwatch.GetTimestamp();
        var left = Enumerable.Range(0, Keys).ToList();
        while (left.Count > 0)
        {
            var sent = left.Select(key => (key, Reply: TryWriteAsync(door, key, value))).ToList();
            left.Clear();
            foreach (var (key, reply) in sent)
            {
                if (!await reply.WaitAsync(Patience, Cancellation))
                {
                    left.Add(key);
                }
            }

            Assert.True(Stopwatch.GetElapsedTime(began) < Patience, $"{left.Count} of {Keys} keys could not be written");
        }
    }

    private static async Task<bool> TryWriteAsync(RespConnection door, int key, string value)
    {
        try
        {
            return (await door.CallAsync(["SET", $"key:{key}", value], Cancellation)).ToString() == "OK";
        }
        catch (RespServerException)
        {
            return false;
        }
    }

    /// <summary>The values of all keys; empty for a miss, an error and a connection that was closed: nobody was lied to.</summary>
    private static async Task<string[]> ReadAllAsync(RespConnection door)
    {
        var values = new string[Keys];
        var replies = Enumerable.Range(0, Keys).Select(key => AskAsync(door, key)).ToArray();
        for (var i = 0; i < Keys; i++)
        {
            values[i] = await replies[i].WaitAsync(Patience, Cancellation);
        }

        return values;
    }

    /// <summary>
    /// All keys have a value. A read that has to wait for too long is a miss, on a busy machine, and is made again; one that was lost is a
    /// miss each time.
    /// </summary>
    private static async Task AllAreAsync(RespConnection door, string value)
    {
        var values = await ReadAllAsync(door);
        for (var round = 0; round < Rounds && values.Contains(""); round++)
        {
            Assert.DoesNotContain(values, other => other != value && other.Length > 0);
            values = await ReadAllAsync(door);
        }

        Assert.Equal(Enumerable.Repeat(value, Keys), values);
    }

    private static async Task<string> AskAsync(RespConnection door, int key)
    {
        try
        {
            var reply = await door.CallAsync(["GET", $"key:{key}"], Cancellation);
            return reply.IsNull ? "" : reply.ToString()!;
        }
        catch (Exception refused) when (refused is RespServerException or IOException or ObjectDisposedException)
        {
            return "";
        }
    }

    private async Task BenchmarkAsync(SiloProcess silo)
    {
        if (InstalledServer.Find("redis-benchmark") is not { } program)
        {
            output.WriteLine("redis-benchmark is not installed: it was left out");
            return;
        }

        string[] arguments = ["-p", silo.RespPort.ToString(CultureInfo.InvariantCulture), "-t", "set,get", "-n", "20000", "-r", "5000", "-P", "16", "-q"];
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var printed = process.StandardOutput.ReadToEndAsync(Cancellation);
        var errors = process.StandardError.ReadToEndAsync(Cancellation);
        await process.WaitForExitAsync(Cancellation).WaitAsync(Patience, Cancellation);
        Assert.Equal(0, process.ExitCode);
        Assert.Contains("GET: ", await printed, StringComparison.Ordinal);
        Assert.DoesNotContain("Error from server", await errors, StringComparison.Ordinal);
        output.WriteLine((await printed).Replace('\r', '\n'));
    }

    private static async Task LookAsync(SiloProcess silo)
    {
        using var http = new HttpClient { BaseAddress = silo.Http, Timeout = Patience };
        var began = Stopwatch.GetTimestamp();
        while ((await http.GetAsync("/health", Cancellation)).StatusCode != HttpStatusCode.OK)
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < Patience, "/health did not become OK");
        }

        var metrics = await http.GetStringAsync("/metrics", Cancellation);
        Assert.Contains("levee_", metrics, StringComparison.Ordinal);
        Assert.Contains("levee_cluster", metrics, StringComparison.Ordinal);
        var dashboard = await http.GetAsync("/dashboard/", Cancellation);
        Assert.Equal(HttpStatusCode.OK, dashboard.StatusCode);
        Assert.Contains("<html", await dashboard.Content.ReadAsStringAsync(Cancellation), StringComparison.OrdinalIgnoreCase);
    }
}
