using Levee.Operations;
using Levee.Testing;
using Xunit;

namespace Levee.Cli.Tests.Client;

public sealed class ExplainCommandTests : IAsyncLifetime
{
    private readonly FakeTier tier = new() { Holds = static _ => false };
    private ServerWithTiers server = null!;

    /// <summary>And half a minute more: the server's clock may be a moment behind.</summary>
    private static long MinutesAgo(int minutes) => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() - (minutes * 60_000) - 30_000;

    public async ValueTask InitializeAsync() => server = await ServerWithTiers.StartAsync(tier);

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task An_entry_in_memory_and_below_is_explained_in_words()
    {
        await server.RunAsync("set", "k", "value", "--ttl", "10m");
        await server.RunAsync("get", "k");
        tier.Places = [new TierPlace("file:./data", "segment 17, offset 4096", 248, MinutesAgo(3), true), new TierPlace("s3://bucket", "open segment", 0, 0, false)];
        var lines = (await server.RunAsync("explain", "k")).Split('\n');
        Assert.Equal(5, lines.Length);
        Assert.Equal("in memory, on ARC's frequent list (T2): used more than once of late", lines[0]);
        Assert.Matches(@"^  version \d+, written (just now|\d+ s ago), expires in (9|10) min$", lines[1]);
        Assert.Matches(@"^  value 5 bytes, \d+ bytes of the memory budget$", lines[2]);
        Assert.Equal("also in file:./data: segment 17, offset 4096, written 3 min ago, 248 bytes, kept when it was brought back to memory: unless it changes, its next eviction writes nothing", lines[3]);
        Assert.Equal("also in s3://bucket: open segment", lines[4]);
    }

    [Fact]
    public async Task An_entry_below_is_explained_with_what_its_next_read_does()
    {
        tier.Places = [new TierPlace("s3://bucket", "segment 2", 248, MinutesAgo(60 * 24 * 3), false)];
        Assert.Equal(
            "not in memory\nin s3://bucket: segment 2, written 3 days ago, 248 bytes\n"
            + "its next read is answered from there; it comes back to memory with that read where there is room or the tier is dear to read, else with the second one",
            await server.RunAsync("explain", "k"));
    }

    [Fact]
    public async Task A_key_without_an_entry_ends_like_get()
    {
        Assert.Equal("levee: no entry for key 'none': neither in memory nor in a tier", await server.RunAsync("explain", "none"));
        await server.RunAsync("set", "k", "value");
        Assert.Equal("levee: no entry for key 'k': neither in memory nor in a tier", await server.RunAsync("explain", "k", "--cache", "second"));
    }

    [Fact]
    public async Task No_server_is_told_as_with_the_other_commands()
    {
        var error = new StringWriter();
        var code = await CommandRoot.InvokeAsync(["explain", "k", "--port", "1"], TextWriter.Null, error, TestContext.Current.CancellationToken);
        Assert.Equal(ExitCode.Error, code);
        Assert.StartsWith("levee: ", error.ToString(), StringComparison.Ordinal);
    }
}
