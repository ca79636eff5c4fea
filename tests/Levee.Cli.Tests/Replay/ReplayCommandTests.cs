using System.Text.Json;
using Xunit;

namespace Levee.Cli.Tests.Replay;

public sealed class ReplayCommandTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("levee-replay-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task Json_is_an_array_with_the_agreed_names_and_nothing_else()
    {
        var path = Write("loop.txt", "1\n2\n1\n2\n3\n1\n");
        var (code, output, error) = await Run("replay", path, "--policy", "lru,opt", "--entries", "2,3", "--json");
        Assert.Equal((ExitCode.Ok, ""), (code, error));
        using var json = JsonDocument.Parse(output);
        var rows = json.RootElement.EnumerateArray().Select(row => row.GetRawText().ReplaceLineEndings("").Replace(" ", "")).ToArray();
        Assert.Equal(
            [
                """{"trace":"loop.txt","policy":"lru","capacity":2,"requests":6,"hits":2,"hit_ratio":0.3333333333333333}""",
                """{"trace":"loop.txt","policy":"lru","capacity":3,"requests":6,"hits":3,"hit_ratio":0.5}""",
                """{"trace":"loop.txt","policy":"opt","capacity":2,"requests":6,"hits":3,"hit_ratio":0.5}""",
                """{"trace":"loop.txt","policy":"opt","capacity":3,"requests":6,"hits":3,"hit_ratio":0.5}""",
            ],
            rows);
    }

    [Fact]
    public async Task Sizes_count_with_bytes_and_do_not_with_entries()
    {
        var path = Write("a.sized.txt", "1 1000\n2 1000\n1 1000\n2 1000\n");
        long[] inBytes = await Hits("replay", path, "--policy", "lru", "--bytes", "1kb,2kb", "--json");
        long[] inEntries = await Hits("replay", path, "--policy", "lru", "--entries", "2", "--json");
        Assert.Equal([0, 2], inBytes);
        Assert.Equal([2], inEntries);
    }

    [Fact]
    public async Task The_table_has_a_row_per_capacity_and_a_column_per_policy()
    {
        var path = Write("loop.txt", "1\n2\n1\n2\n3\n1\n");
        var (code, output, _) = await Run("replay", path, "--policy", "arc,lru", "--entries", "2,3");
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("loop.txt: 6 requests", output);
        Assert.Contains("entries", output);
        Assert.Matches(@"3 +50\.00 +50\.00", output);
    }

    [Fact]
    public async Task Prefetching_cuts_the_misses_of_a_loop_and_leaves_random_keys_alone()
    {
        var random = new Random(7);
        var loop = Write("loop.txt", string.Concat(Enumerable.Range(0, 60_000).Select(i => $"user:{i % 3000}\n")));
        var draws = Write("random.txt", string.Concat(Enumerable.Range(0, 60_000).Select(_ => $"{random.Next(4000):x}-{0x5eed:x}z\n")));
        var (code, output, error) = await Run("replay", loop, draws, "--policy", "lru", "--entries", "1000", "--prefetch", "--json");
        Assert.Equal((ExitCode.Ok, ""), (code, error));
        using var json = JsonDocument.Parse(output);
        var prefetched = json.RootElement.EnumerateArray().Select(row => row.GetProperty("prefetch")).ToArray();
        Assert.Equal(0, json.RootElement[0].GetProperty("hits").GetInt64());
        Assert.InRange(prefetched[0].GetProperty("misses_cut").GetDouble(), 0.8, 1);
        Assert.InRange(prefetched[0].GetProperty("precision").GetDouble(), 0.8, 1);
        Assert.Equal(4, prefetched[0].GetProperty("load_latency").GetInt32());
        Assert.Equal(prefetched[0].GetProperty("hits").GetInt64(), (long)Math.Round(60_000 * prefetched[0].GetProperty("hit_ratio").GetDouble()));
        Assert.InRange(prefetched[1].GetProperty("misses_cut").GetDouble(), -0.01, 0.01);
        Assert.InRange(prefetched[1].GetProperty("extra_loads").GetDouble(), -0.01, 0.01);
    }

    [Fact]
    public async Task What_was_never_requested_can_only_come_from_the_origin()
    {
        var scan = Write("scan.txt", string.Concat(Enumerable.Range(0, 20_000).Select(i => $"{i}\n")));
        async Task<double> CutAsync(string source)
        {
            using var json = JsonDocument.Parse((await Run("replay", scan, "--policy", "arc", "--entries", "1000", "--prefetch", "--load-from", source, "--load-latency", "2", "--json")).Output);
            return json.RootElement[0].GetProperty("prefetch").GetProperty("misses_cut").GetDouble();
        }

        Assert.Equal(0, await CutAsync("tiers"));
        Assert.InRange(await CutAsync("origin"), 0.8, 1);
    }

    [Fact]
    public async Task The_table_with_prefetching_has_a_row_per_capacity_and_policy()
    {
        var path = Write("loop.txt", "1\n2\n1\n2\n3\n1\n");
        var (code, output, _) = await Run("replay", path, "--policy", "arc,lru", "--entries", "2,3", "--prefetch", "--load-latency", "7");
        Assert.Equal(ExitCode.Ok, code);
        Assert.Contains("loop.txt: 6 requests, a load takes 7 of them; in %", output);
        Assert.Matches("entries +policy +hit ratio +prefetched +cut +precision +late +extra", output);
        Assert.Matches(@"3 +lru +50\.00 +50\.00 +0\.00", output);
    }

    [Theory]
    [InlineData("--prefetch and --bytes: prefetching is simulated in entries", "--bytes", "1mb")]
    [InlineData("--prefetch cannot be combined with --policy opt", "--policy", "opt")]
    [InlineData("--load-latency: '-1' is not allowed; allowed is 0 to 1000000.", "--load-latency", "-1")]
    [InlineData("disk", "--load-from", "disk")]
    public async Task What_cannot_be_simulated_is_refused(string message, params string[] options)
    {
        var (code, _, error) = await Run(["replay", "--demo", "--prefetch", .. options]);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains(message, error);
    }

    [Fact]
    public async Task The_demo_needs_no_file_and_is_the_same_every_time()
    {
        var first = await Run("replay", "--demo", "--entries", "2000", "--policy", "arc,lru,opt", "--json");
        var second = await Run("replay", "--demo", "--entries", "2000", "--policy", "arc,lru,opt", "--json");
        Assert.Equal(ExitCode.Ok, first.Code);
        Assert.Equal(first.Output, second.Output);
        using var json = JsonDocument.Parse(first.Output);
        var ratios = json.RootElement.EnumerateArray().Select(row => row.GetProperty("hit_ratio").GetDouble()).ToArray();
        Assert.True(ratios[1] > 0.1 && ratios[0] > ratios[1] && ratios[2] > ratios[0], "The demo is to show LRU below ARC below the bound.");
    }

    [Theory]
    [InlineData("--policy", "fifo", "--policy: 'fifo'", "arc, lru, ")]
    [InlineData("--policy", "", "--policy: ''", "arc, lru, ")]
    [InlineData("--entries", "1000,x", "--entries: 'x'", "1 to 2147483647")]
    [InlineData("--entries", "0", "--entries: '0'", "1 to 2147483647")]
    [InlineData("--bytes", "64mib", "--bytes: '64mib'", "kb, mb, gb")]
    [InlineData("--bytes", "0", "--bytes: '0'", "at least 1")]
    [InlineData("--bytes", "99999999tb", "--bytes: '99999999tb'", "kb, mb, gb")]
    public async Task A_wrong_value_names_the_option_the_value_and_what_is_allowed(string option, string value, string wrong, string allowed)
    {
        var (code, output, error) = await Run("replay", "--demo", option, value);
        Assert.Equal((ExitCode.Usage, ""), (code, output));
        Assert.Contains(wrong, error);
        Assert.Contains(allowed, error);
    }

    [Fact]
    public async Task The_bound_is_refused_for_bytes_with_the_reason()
    {
        var (code, _, error) = await Run("replay", "--demo", "--policy", "opt", "--bytes", "1mb");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("--policy opt", error);
        Assert.Contains("NP-hard", error);
    }

    [Fact]
    public async Task Entries_and_bytes_together_are_refused() =>
        Assert.Equal(ExitCode.Usage, (await Run("replay", "--demo", "--entries", "5", "--bytes", "5")).Code);

    [Fact]
    public async Task No_trace_at_all_is_wrong_usage()
    {
        var (code, _, error) = await Run("replay");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("--demo", error);
        Assert.Contains("levee replay --help", error);
    }

    [Fact]
    public async Task A_trace_that_cannot_be_read_is_an_error_and_prints_no_half_result()
    {
        var good = Write("good.txt", "1\n1\n");
        var bad = Write("bad.sized.txt", "1 1\nnot-a-size x\n");
        var (code, output, error) = await Run("replay", good, bad, "--json");
        Assert.Equal((ExitCode.Error, ""), (code, output));
        Assert.Contains("bad.sized.txt, line 2", error);
    }

    [Fact]
    public async Task Bytes_without_sizes_are_refused_and_say_what_to_do()
    {
        var (code, _, error) = await Run("replay", Write("a.txt", "1\n"), "--bytes", "1mb");
        Assert.Equal(ExitCode.Error, code);
        Assert.Contains("a.txt: --bytes needs a trace with sizes", error);
    }

    [Fact]
    public async Task A_cancelled_replay_ends_with_an_error()
    {
        using var error = new StringWriter();
        var code = await CommandRoot.InvokeAsync(["replay", "--demo"], TextWriter.Null, error, new CancellationToken(canceled: true));
        Assert.Equal(ExitCode.Error, code);
        Assert.Contains("cancelled", error.ToString());
    }

    [Fact]
    public async Task Help_names_every_option()
    {
        var (code, output, _) = await Run("replay", "--help");
        Assert.Equal(ExitCode.Ok, code);
        foreach (var option in new[] { "levee replay", "--policy", "--entries", "--bytes", "--json", "--demo" })
        {
            Assert.Contains(option, output);
        }
    }

    private static async Task<(int Code, string Output, string Error)> Run(params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandRoot.InvokeAsync(args, output, error, TestContext.Current.CancellationToken);
        return (code, output.ToString(), error.ToString());
    }

    private static async Task<long[]> Hits(params string[] args)
    {
        using var json = JsonDocument.Parse((await Run(args)).Output);
        return [.. json.RootElement.EnumerateArray().Select(row => row.GetProperty("hits").GetInt64())];
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(folder.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }
}
