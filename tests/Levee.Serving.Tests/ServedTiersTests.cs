using System.Diagnostics;
using System.Text;
using Levee.Hosting;
using Levee.Keys;
using Levee.Operations;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Serving.Tests;

/// <summary>Tiers of several silos, whose store is one folder.</summary>
public sealed class ServedTiersTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly string folder = Directory.CreateTempSubdirectory("levee-tiers-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Silos_that_share_a_store_keep_to_their_own_objects()
    {
        string?[] silos = ["a.levee", "b.levee", null];
        foreach (var silo in silos)
        {
            await using var tiers = await StartAsync(silo);
            await using var host = await OpenAsync(tiers);
            host.Submit(new Operation { Kind = OperationKind.Set, Key = "whose"u8, Hash = KeyHash.Of("whose"u8), Value = Encoding.UTF8.GetBytes(silo ?? "the server") }, new LastAnswer(), 0);
            await StopAsync(tiers, host);
        }

        foreach (var silo in silos.Reverse())
        {
            await using var tiers = await StartAsync(silo);
            await using var host = await OpenAsync(tiers);
            Assert.Equal(silo ?? "the server", await GetAsync(host, "whose"));
            await StopAsync(tiers, host);
        }
    }

    [Fact]
    public async Task A_second_silo_of_the_same_name_is_refused_its_folder()
    {
        await using var first = await StartAsync("a.levee");
        await using var other = await StartAsync("b.levee");
        var refusal = await Assert.ThrowsAsync<StartException>(() => StartAsync("a.levee"));
        Assert.StartsWith("--data-dir: ", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("a.levee", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_that_is_gone_costs_no_other_cache_and_it_is_said_what_it_cost()
    {
        var said = new StringWriter();
        await using (var tiers = await StartAsync(null, (ServeOption.Memory, "32mb"), (ServeOption.Caches, "other=16mb")))
        {
            await using var first = await OpenAsync(tiers);
            await using var other = await OpenAsync(tiers, "other");
            Set(first, "k", "v");
            Set(other, "k", "w");
            Directory.Delete(Path.Combine(folder, "data", "default"), recursive: true);
            using var stop = new CleanStop("test", Patience, said, TimeProvider.System);
            var taken = await Task.WhenAll(first.TakeDownAsync(stop, stop.Deadline), other.TakeDownAsync(stop, stop.Deadline));
            Assert.Equal([1L, 0L], (await tiers.StopAsync(taken, stop)).Select(report => report.Lost));
            await tiers.DisposeAsync();
        }

        Assert.Contains("test: cache default: 1 of 1 entries in memory are lost: the folder", said.ToString(), StringComparison.Ordinal);
        Assert.Contains("test: cache other: 1 entries in memory", said.ToString(), StringComparison.Ordinal);
        await using var again = await StartAsync(null, (ServeOption.Memory, "32mb"), (ServeOption.Caches, "other=16mb"));
        await using var found = await OpenAsync(again, "other");
        Assert.Equal("w", await GetAsync(found, "k"));
        await StopAsync(again, found);
    }

    [Fact]
    public async Task A_time_out_that_strikes_names_its_option_and_counts_what_is_left()
    {
        var said = new StringWriter();
        using var stop = new CleanStop("test", TimeSpan.FromMilliseconds(1), said, TimeProvider.System);
        await using var tiers = await StartAsync(null);
        await using var host = await OpenAsync(tiers);
        Set(host, "k", "v");
        await Task.Delay(Timeout.Infinite, stop.Deadline).ContinueWith(static _ => { }, TaskScheduler.Default);
        await tiers.StopAsync([await host.TakeDownAsync(stop, stop.Deadline)], stop);
        Assert.Contains("test: cache default: 1 of 1 entries in memory are lost: the stop may take 0 s (--stop-timeout)", said.ToString(), StringComparison.Ordinal);
        await tiers.DisposeAsync();
    }

    [Fact]
    public async Task A_second_signal_that_ends_a_stop_is_said()
    {
        using var hurry = new CancellationTokenSource();
        using var stop = new CleanStop("test", Patience, TextWriter.Null, TimeProvider.System, hurry.Token);
        Assert.False(stop.Deadline.IsCancellationRequested);
        await hurry.CancelAsync();
        Assert.True(stop.Deadline.IsCancellationRequested);
        Assert.Equal("a second signal ended the stop", stop.WhyEnded);
    }

    private Task<ServedTiers> StartAsync(string? silo, params (ServeOption, string)[] more) =>
        ServedTiers.StartAsync(
            Given.Serve([.. more, (ServeOption.Memory, "16mb"), (ServeOption.DataDir, Path.Combine(folder, "data")), (ServeOption.Tier, $"file://{folder}/shared"), (ServeOption.TierCapacity, "64mb")]),
            silo,
            NullLoggerFactory.Instance,
            TestContext.Current.CancellationToken);

    private static async Task StopAsync(ServedTiers tiers, LockHost host)
    {
        using var stop = new CleanStop("test", Patience, TextWriter.Null, TimeProvider.System);
        await tiers.StopAsync([await host.TakeDownAsync(stop, stop.Deadline)], stop);
    }

    private static void Set(LockHost host, string key, string value)
    {
        var bytes = Encoding.UTF8.GetBytes(key);
        host.Submit(new Operation { Kind = OperationKind.Set, Key = bytes, Hash = KeyHash.Of(bytes), Value = Encoding.UTF8.GetBytes(value) }, new LastAnswer(), 0);
    }

    private static async Task<LockHost> OpenAsync(ServedTiers tiers, string cache = "default")
    {
        var options = Given.Serve((ServeOption.Memory, "16mb")).Caches[0] with { Name = cache };
        return new LockHost(options, TimeProvider.System, await tiers.OpenAsync(options, TestContext.Current.CancellationToken));
    }

    /// <summary>Until its tier has recovered, a silo answers a miss.</summary>
    private static async Task<string?> GetAsync(LockHost host, string key)
    {
        var bytes = Encoding.UTF8.GetBytes(key);
        for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < Patience;)
        {
            var answer = new LastAnswer();
            host.Submit(new Operation { Kind = OperationKind.Get, Key = bytes, Hash = KeyHash.Of(bytes) }, answer, 0);
            if (await answer.Value.Task.WaitAsync(Patience, TestContext.Current.CancellationToken) is { } value)
            {
                return value;
            }

            await Task.Yield();
        }

        return null;
    }

    private sealed class LastAnswer : IAnswerSink
    {
        public TaskCompletionSource<string?> Value { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Answer(long ticket, in Answer answer) => Value.TrySetResult(answer.Outcome == Outcome.Hit ? Encoding.UTF8.GetString(answer.Entry.Value) : null);
    }
}
