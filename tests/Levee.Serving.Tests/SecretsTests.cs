using System.CommandLine;
using Levee.Tiers;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Serving.Tests;

/// <summary>No password or key is in a message, whatever is wrong with the text that holds it.</summary>
public sealed class SecretsTests : IDisposable
{
    private const string Marker = "hunter2xyzzy";

    private readonly string folder = Directory.CreateTempSubdirectory("levee-secrets-").FullName;

    public static TheoryData<string> Addresses =>
    [
        $"redis://user:{Marker}@host:notaport", $"redis://:{Marker}@host:notaport/0", $"redis://user:{Marker}@host:99999", $"redis://user:{Marker}@/0", $"redis://user:{Marker}@", $"redis://user:{Marker}",
        $"redis://:{Marker}", $"redis:/user:{Marker}@host", $"redis:user:{Marker}@host", $"reddis://user:{Marker}@host", $"redis//user:{Marker}@host", $"user:{Marker}@host", $"redis://user:{Marker}@host/abc",
        $"redis://user:1/{Marker}@host:6379/0", $"redis://user:a/{Marker}@host:6379/0", $"redis://user:1?{Marker}@host:6379/0", $"redis://user:1#{Marker}@host:6379/0", $"redis://user:a b{Marker}@host:6379/0",
        $"redis://user:{Marker} x@host:6379/0", $"redis://user:%{Marker}@host:x", $"redis://host:6379/0?password={Marker}", $"redis://host:6379/0?checkHostName={Marker}", $"redis://host:6379/0?{Marker}=1&x",
        $"redis://host:6379/0?connectTimeoutMs={Marker}", $"redis://host:6379/{Marker}@x", $"rediss://user:{Marker}@[::1:6379/0", $"redis://user:{Marker}@ho st", $"redis://us er:{Marker}@host",
        $"s3://AKIA:{Marker}@bucket/prefix", $"s3://bucket/prefix?secret={Marker}", $"s3://bucket?endpoint=http://user:{Marker}@host", $"s3://bucket?region={Marker}!", $"s3://bucket?endpoint={Marker}",
        $"azblob://account:{Marker}@account/container", $"azblob://account/container?sig={Marker}", $"azblob://account/container?endpoint=http://h/{Marker}?sig={Marker}", $"azblob:{Marker}@x",
        $"file redis://user:{Marker}@host:notaport", $"none redis://user:{Marker}@host", $"file://user:{Marker}@host/path",
    ];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Addresses))]
    public async Task An_address_that_is_wrong_is_refused_without_its_secret(string address)
    {
        var said = new StringWriter();
        try
        {
            var settings = Read((ServeOption.Tier, address), (ServeOption.DataDir, folder));
            said.WriteLine(settings);
            said.WriteLine(string.Join(", ", settings.Tiers.Addresses));
            using var logs = LoggerFactory.Create(builder => builder.SetMinimumLevel(LogLevel.Trace).AddProvider(new WriterLogs(said)));
            await using var tiers = await ServedTiers.StartAsync(settings, silo: null, logs, TestContext.Current.CancellationToken);
            Assert.Fail($"'{address}' should have been refused.");
        }
        catch (Exception refusal) when (refusal is OptionException or StartException)
        {
            said.WriteLine(refusal);
            Assert.StartsWith("tier is '", refusal.Message, StringComparison.Ordinal);
        }

        Assert.DoesNotContain(Marker, said.ToString(), StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("redis://host:6379/x")]
    [InlineData("file:///a/folder s3://Bucket")]
    [InlineData("flie")]
    [InlineData("none file")]
    public void An_address_that_cannot_hold_a_secret_is_shown(string address) => Assert.Equal(address, TierAddress.Masked(address));

    [Theory]
    [InlineData("file s3://bucket?secret=x", "file s3://***")]
    [InlineData("redis://host/1 redis://u:p@host", "redis://*** redis://***")]
    [InlineData("redis://u:a b@host", "redis://*** ***")]
    public void Of_several_addresses_those_are_shown_that_cannot_hold_a_piece_of_one(string text, string shown) => Assert.Equal(shown, TierAddress.Masked(text));

    [Fact]
    public async Task A_good_address_is_printed_without_user_and_password()
    {
        var settings = Read((ServeOption.Tier, $"redis://user:{Marker}@127.0.0.1:1/3"), (ServeOption.DataDir, folder), (ServeOption.Password, Marker));
        Assert.Equal("redis://127.0.0.1:1/3", string.Join(", ", settings.Tiers.Addresses));
        Assert.DoesNotContain(Marker, settings.ToString(), StringComparison.Ordinal);

        // Nothing answers there: what is logged and told of the tier's health names it without the password as well.
        var said = new StringWriter();
        using var logs = LoggerFactory.Create(builder => builder.SetMinimumLevel(LogLevel.Trace).AddProvider(new WriterLogs(said)));
        await using var tiers = await ServedTiers.StartAsync(settings, silo: null, logs, TestContext.Current.CancellationToken);
        try
        {
            var chain = await tiers.OpenAsync(settings.Caches[0], TestContext.Current.CancellationToken);
            said.WriteLine(chain!.GetStatistics(0));
        }
        catch (StartException failure)
        {
            said.WriteLine(failure);
        }

        Assert.NotEqual("", said.ToString());
        Assert.DoesNotContain(Marker, said.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("id " + Marker)]
    [InlineData(Marker)]
    [InlineData("id " + Marker + ";id " + Marker)]
    [InlineData("env:id " + Marker)]
    [InlineData("env:" + Marker + "=")]
    public async Task A_key_in_the_place_of_its_source_is_not_repeated(string source)
    {
        var refusal = await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await using var tiers = await ServedTiers.StartAsync(
                Read((ServeOption.Keys, source), (ServeOption.DataDir, folder)), silo: null, NullLoggerFactory.Instance, TestContext.Current.CancellationToken);
        });
        Assert.True(refusal is OptionException or StartException, refusal.GetType().Name);
        Assert.DoesNotContain(Marker, refusal.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("key")]
    [InlineData("id key")]
    [InlineData("id " + Marker)]
    [InlineData(Marker)]
    [InlineData("a/b " + Marker)]
    public async Task A_key_file_that_is_wrong_is_not_repeated(string line)
    {
        var file = Path.Combine(folder, "keys");
        await File.WriteAllTextAsync(file, $"{line}\n{Marker} {Marker}\n", TestContext.Current.CancellationToken);
        var refusal = await Assert.ThrowsAsync<StartException>(async () =>
        {
            await using var tiers = await ServedTiers.StartAsync(
                Read((ServeOption.Keys, file), (ServeOption.DataDir, Path.Combine(folder, "data"))), silo: null, NullLoggerFactory.Instance, TestContext.Current.CancellationToken);
        });
        Assert.DoesNotContain(Marker, refusal.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("redis://u:" + Marker + "@h")]
    [InlineData("--pasword", Marker)]
    [InlineData("--pasword=" + Marker)]
    [InlineData("--tier", "none", "--passwort", Marker, "--clustering-conection=" + Marker)]
    public void A_command_line_that_is_wrong_is_refused_without_its_secrets(params string[] line)
    {
        var command = new Command("levee");
        _ = new OptionFlags(command, ClusterOption.All, "levee --help");
        var said = string.Join('\n', OptionFlags.Errors(command.Parse(line)));
        Assert.NotEqual("", said);
        Assert.DoesNotContain(Marker, said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ \"password\": " + Marker + " }")]
    [InlineData("{ \"password\": \"" + Marker + "\", }  ]")]
    [InlineData("{ \"memory\": \"1gb\",\n  \"password\": \"" + Marker + " }")]
    [InlineData("{ \"password\": true" + Marker + " }")]
    [InlineData("{ \"password\": [\"" + Marker + "\"] }")]
    public void A_file_that_is_wrong_is_refused_without_its_secrets(string text)
    {
        var file = Path.Combine(folder, "a.json");
        File.WriteAllText(file, text);
        var command = new Command("levee");
        var flags = new OptionFlags(command, ServeOption.All, "levee --help");
        var refusal = Assert.Throws<OptionException>(() => flags.Read(command.Parse(["--config", file])));
        Assert.Contains(file, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Marker, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("UnableToConnect on redis://user:" + Marker + "@host:6379/Interactive", "UnableToConnect on redis://***@host:6379/Interactive")]
    [InlineData("'Host=h;Password=" + Marker + ";Database=d' is wrong", "'Host=h;Password=***;Database=d' is wrong")]
    [InlineData("DefaultEndpointsProtocol=https;AccountKey=" + Marker + "==;x", "DefaultEndpointsProtocol=https;AccountKey=***;x")]
    [InlineData("host:6379,password=" + Marker + ",ssl=true", "host:6379,password=***,ssl=true")]
    [InlineData("it was " + Marker, "it was ***")]
    [InlineData("no host at db.example:5432", "no host at db.example:5432")]
    public void What_a_provider_says_is_repeated_without_secrets(string message, string expected) => Assert.Equal(expected, Redaction.Of(message, Marker));

    [Fact]
    public void The_settings_of_a_cluster_print_without_their_connection()
    {
        var settings = ClusterSettings.Read(Given.Options((ClusterOption.Clustering, "redis"), (ClusterOption.Connection, Marker)), Given.Configuration());
        Assert.Equal(Marker, settings.Connection);
        Assert.DoesNotContain(Marker, settings.ToString(), StringComparison.Ordinal);
    }

    private static ServeSettings Read(params (ServeOption, string)[] given) => Given.Serve(given);

    private sealed class WriterLogs(TextWriter writer) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (writer)
            {
                writer.WriteLine(formatter(state, exception) + exception);
            }
        }

        public void Dispose()
        {
        }
    }
}
