using Levee.Codec;
using Levee.Tiers.Keys;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Levee.Tiers.Tests.Keys;

public sealed class KeyProviderTests : IDisposable
{
    private static readonly string Material = Convert.ToBase64String(Enumerable.Repeat((byte)7, 32).ToArray());

    private readonly string folder = Directory.CreateTempSubdirectory("levee-keys-").FullName;
    private readonly LogLines log = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string KeyFile => Path.Combine(folder, "keys");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task A_file_gives_its_keys_and_a_closed_one_no_warning()
    {
        Write($"a {Material}\nb {Material}\n", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var ring = await new FileKeyProvider(KeyFile, log).ReadAsync(Cancellation);
        Assert.Equal(["a", "b"], ring.Keys.Select(key => key.Name));
        Assert.Empty(log.Lines);
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.OtherWrite)]
    public async Task A_file_that_others_may_read_is_warned_about(UnixFileMode others)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Files have no mode here.");
        Write($"a {Material}", UnixFileMode.UserRead | UnixFileMode.UserWrite | others);
        await new FileKeyProvider(KeyFile, log).ReadAsync(Cancellation);
        Assert.Contains("chmod 600", Assert.Single(log.Lines), StringComparison.Ordinal);
        Assert.DoesNotContain(Material[..8], log.Lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refusals_name_the_file_and_the_line_and_never_the_key()
    {
        Write($"a {Material}\n{Material}\n", UnixFileMode.UserRead);
        var refusal = await Assert.ThrowsAsync<TierException>(() => new FileKeyProvider(KeyFile, log).ReadAsync(Cancellation).AsTask());
        Assert.Contains(KeyFile, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("Line 2", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Material[..8], refusal.ToString(), StringComparison.Ordinal);

        Write(new string('x', FileKeyProvider.MaxFileBytes + 1), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await Assert.ThrowsAsync<TierException>(() => new FileKeyProvider(KeyFile, log).ReadAsync(Cancellation).AsTask());
        await Assert.ThrowsAsync<TierException>(() => new FileKeyProvider(KeyFile + "-absent", log).ReadAsync(Cancellation).AsTask());
        await Assert.ThrowsAsync<TierException>(() => new FileKeyProvider(folder, log).ReadAsync(Cancellation).AsTask());
    }

    [Fact]
    public async Task A_variable_gives_its_keys_or_a_refusal_that_names_it()
    {
        var variable = $"LEVEE_TEST_KEYS_{Guid.NewGuid():N}";
        var provider = new EnvironmentKeyProvider(variable);
        var absent = await Assert.ThrowsAsync<TierException>(() => provider.ReadAsync(Cancellation).AsTask());
        Assert.Contains(variable, absent.Message, StringComparison.Ordinal);
        Environment.SetEnvironmentVariable(variable, $"a {Material};b {Material}");
        Assert.Equal("a", (await provider.ReadAsync(Cancellation)).Active.Name);
        Environment.SetEnvironmentVariable(variable, $"a {Material[..30]}");
        var damaged = await Assert.ThrowsAsync<TierException>(() => provider.ReadAsync(Cancellation).AsTask());
        Assert.DoesNotContain(Material[..8], damaged.ToString(), StringComparison.Ordinal);
        Environment.SetEnvironmentVariable(variable, null);
    }

    [Fact]
    public async Task A_ring_is_refreshed_and_stays_where_the_new_one_is_damaged()
    {
        Write($"a {Material}", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var live = await LiveKeyRing.StartAsync(new FileKeyProvider(KeyFile, log), log, Cancellation);
        TierCodec codec = new(new CodecOptions { Keys = () => live.Current });
        Assert.Equal("a", live.Current.Active.Name);
        Write($"b {Material}\na {Material}", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.True(await live.RefreshAsync(Cancellation));
        Assert.Equal("b", live.Current.Active.Name);
        Assert.Contains("key b encrypts now", Assert.Single(log.Lines), StringComparison.Ordinal);
        Write("damaged", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.False(await live.RefreshAsync(Cancellation));
        Assert.Equal("b", live.Current.Active.Name);
        Assert.Equal(2, log.Lines.Count);
        Assert.Equal(0, codec.GetStatistics().Refused);
    }

    private void Write(string text, UnixFileMode mode)
    {
        File.Delete(KeyFile);
        File.WriteAllText(KeyFile, text);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(KeyFile, mode);
        }
    }

    private sealed class LogLines : ILogger
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Add(formatter(state, exception));
    }
}
