using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Serving.Tests;

/// <summary>Every wrong value ends in one sentence that names the option, the value, where it came from and what is allowed.</summary>
public sealed class BadValuesTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("levee-bad-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("partitions", "3", "a power of two from 1 to 1024")]
    [InlineData("partitions", "64", "cache 'default' of 256mb cannot have that. Partitions is '64'; allowed: at most one partition for each 8 MiB", "memory", "256mb")]
    [InlineData("max-value", "63mb", "cannot have that. MaxValueBytes is", "memory", "64mb")]
    [InlineData("caches", "..=16mb", "the first no '.'")]
    [InlineData("caches", "a/b=16mb", "1 to 64 letters")]
    [InlineData("caches", "a=1b", "at least 16777216 bytes (16mb)")]
    [InlineData("compress", "brotli:99", "brotli:0 to brotli:11")]
    [InlineData("compress", "zlib:0", "zlib:1 to zlib:9")]
    [InlineData("compress", "none:4", "none; zlib")]
    [InlineData("compress", "none,brotli", "none; zlib")]
    [InlineData("compress", "zlib", "nothing leaves memory, since --tier is none; allowed: with a tier", "tier", "none")]
    [InlineData("encryption-keys", "env:KEYS", "nothing leaves memory, since --tier is none; allowed: with a tier", "tier", "none", "(not shown)")]
    [InlineData("encryption-keys", "env:", "env:NAME", "", "", "(not shown)")]
    [InlineData("tier", "none file", "none, file,")]
    [InlineData("tier", "none none", "none, file,")]
    [InlineData("tier", "redis://host/abc", "the database's number")]
    [InlineData("tier", "redis://host/99999999999", "the database's number")]
    [InlineData("tier", "redis://host:70000", "redis://host:port/database")]
    [InlineData("tier", "s3://B/x", "A bucket's name")]
    [InlineData("tier", "azblob://account", "container")]
    [InlineData("tier", "file", "'file redis://host/x'", "tier", "file redis://host/x", "file redis://host/x")]
    [InlineData("log-level", "3", "trace, debug")]
    [InlineData("log-level", "information,error", "trace, debug")]
    [InlineData("bind", "0", "written in full")]
    [InlineData("bind", "127.1", "written in full")]
    [InlineData("bind", "localhost", "written in full")]
    [InlineData("bind", "0.0.0.0", "--password (LEVEE__PASSWORD), or with --insecure")]
    [InlineData("bind", "::", "--password (LEVEE__PASSWORD), or with --insecure")]
    [InlineData("bind", "10.0.0.4", "--password (LEVEE__PASSWORD), or with --insecure", "insecure", "no")]
    [InlineData("insecure", "maybe", "yes, no", "bind", "0.0.0.0")]
    [InlineData("http-hosts", "a b", "host names without ports")]
    [InlineData("http-hosts", "http://a", "host names without ports")]
    [InlineData("http-hosts", "a:7380", "host names without ports")]
    [InlineData("user", "anna", "without a password nobody is asked for a user")]
    [InlineData("http-port", "7000", "--resp-port is the same; allowed: two different ports", "resp-port", "7000")]
    [InlineData("data-dir", "a\u0000b", "a folder that can be written")]
    [InlineData("memory", "9223372036854775807", "the named caches leave 0 bytes", "caches", "a=9223372036854775807b,b=9223372036854775807b")]
    public void A_wrong_value_is_refused_in_one_sentence(string name, string value, string words, string otherName = "", string otherValue = "", string? shown = null)
    {
        var refusal = Assert.Throws<OptionException>(() => Read((name, value), (otherName, otherValue)));
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("allowed", refusal.Message, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("(Parameter", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
        if (!words.StartsWith("the named", StringComparison.Ordinal) && !words.StartsWith('\''))
        {
            Assert.StartsWith($"{name} is '{shown ?? value}' (from --{name})", refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Whatever_text_an_option_is_given_it_is_taken_or_refused_in_words()
    {
        string[] texts =
        [
            "", " ", "\u0000", "-1", "0", "1", "x y", "99999999999999999999", "1e400", "NaN", "ü", "../..", "none,none", "0x10", "1,5", "=", ":", "a=", "=a", "ms=", "put=", ";;", "://", "@", "%", "[::1", "env:", "\u202e",
            new string('9', 5000), new string('a', 5000),
        ];
        var refused = 0;
        foreach (var option in ClusterOption.All)
        {
            foreach (var text in texts)
            {
                Func<ServeOption, (string Text, string Source)?> read = asked => asked == option ? (text, option.Flag) : null;
                try
                {
                    _ = ServeSettings.Read(read, 1L << 30);
                    _ = ClusterSettings.Read(read, Given.Configuration());
                }
                catch (OptionException refusal)
                {
                    refused++;
                    Assert.Contains("allowed", refusal.Message, StringComparison.OrdinalIgnoreCase);
                    Assert.DoesNotContain("(Parameter", refusal.Message, StringComparison.Ordinal);
                    Assert.Contains(option.Name, refusal.Message, StringComparison.Ordinal);
                }
            }
        }

        Assert.True(refused > 400, $"only {refused} were refused");
    }

    [Fact]
    public void A_password_or_insecure_opens_the_listeners_and_the_latter_is_warned_of()
    {
        Assert.Empty(Read(("bind", "0.0.0.0"), ("password", "p")).Warnings);
        Assert.Contains("0.0.0.0 is open to the network without a password (--insecure)", Assert.Single(Read(("bind", "0.0.0.0"), ("insecure", "yes")).Warnings), StringComparison.Ordinal);
        Assert.Empty(Read(("bind", "127.0.0.2"), ("insecure", "yes")).Warnings);
        Assert.Empty(Read(("bind", "::1")).Warnings);
    }

    [Fact]
    public void More_memory_than_the_machine_has_is_warned_of()
    {
        var error = new StringWriter();
        FrontDoors.Options(Read(("memory", "64gb")), error, "levee");
        Assert.Contains("levee: --memory is 64gb, and this machine or its cgroup allows 1024mb", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Hosts_are_names_separated_by_commas() =>
        Assert.Equal(["cache.example.com", "levee"], Read(("http-hosts", "cache.example.com, levee")).HttpHosts);

    [Theory]
    [InlineData("data-dir", "/proc/levee/x", "--data-dir: the folder /proc/levee/x is not there and cannot be made")]
    [InlineData("data-dir", "{file}", "--data-dir: ")]
    [InlineData("tier", "file:///proc/levee/x", "tier file:///proc/levee/x cannot be used")]
    [InlineData("tier", "file://{file}/x", "cannot be used")]
    [InlineData("encryption-keys", "{folder}/none", "does not exist")]
    [InlineData("encryption-keys", "env:LEVEE_TEST_NO_SUCH_VARIABLE", "is not set")]
    [InlineData("encryption-keys", "{file}", "There is no key")]
    public async Task What_cannot_start_says_why(string name, string value, string words)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no /proc");
        var file = Path.Combine(folder, "file");
        await File.WriteAllTextAsync(file, "", TestContext.Current.CancellationToken);
        var text = value.Replace("{file}", file, StringComparison.Ordinal).Replace("{folder}", folder, StringComparison.Ordinal);
        var settings = name == "data-dir" ? Read((name, text)) : Read((name, text), ("data-dir", Path.Combine(folder, "data")));
        var refusal = await Assert.ThrowsAsync<StartException>(() => OpenAsync(settings));
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_folder_of_a_tier_is_made_where_it_is_not_there()
    {
        var made = Path.Combine(folder, "not", "there");
        await OpenAsync(Read(("tier", "file://" + made), ("data-dir", Path.Combine(folder, "data"))));
        Assert.True(Directory.Exists(made));
    }

    [Fact]
    public async Task A_second_tier_that_cannot_be_used_leaves_the_first_free()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no /proc");
        var data = ("data-dir", Path.Combine(folder, "data"));
        await Assert.ThrowsAsync<StartException>(() => OpenAsync(Read(("tier", $"file://{folder}/first file:///proc/levee/x"), data)));
        await OpenAsync(Read(("tier", $"file://{folder}/first"), data));
    }

    [Fact]
    public void An_address_of_another_machine_is_blamed_on_its_option()
    {
        var refusal = Assert.Throws<StartException>(() => FrontDoors.CheckPort(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 0), ServeOption.RespPort));
        Assert.Equal("192.0.2.1 is no address of this machine; choose another with --bind or LEVEE__BIND", refusal.Message);
    }

    [Fact]
    public void No_port_is_given_twice()
    {
        var read = Given.Options((ClusterOption.SiloPort, "7379"));
        var refusal = Assert.Throws<OptionException>(() => ClusterSettings.Read(read, Given.Configuration()).WithPorts(ServeSettings.Read(read, 1L << 30), isLocalhost: true, static _ => true));
        Assert.Contains("port 7379 is asked for twice; allowed: four different ones", refusal.Message, StringComparison.Ordinal);
    }

    private static async Task OpenAsync(ServeSettings settings)
    {
        await using var tiers = await ServedTiers.StartAsync(settings, silo: null, NullLoggerFactory.Instance, TestContext.Current.CancellationToken);
        await tiers.OpenAsync(settings.Caches[0], TestContext.Current.CancellationToken);
    }

    private static ServeSettings Read(params (string Name, string Text)[] given) =>
        ServeSettings.Read(option => given.LastOrDefault(one => one.Name == option.Name) is { Text: { } text } ? (text, option.Flag) : null, 1L << 30);
}
