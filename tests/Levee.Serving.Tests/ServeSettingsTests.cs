using Xunit;

namespace Levee.Serving.Tests;

public sealed class ServeSettingsTests
{
    [Theory]
    [InlineData("0", 0.0)]
    [InlineData("0s", 0.0)]
    [InlineData("1500ms", 1.5)]
    [InlineData("15m", 900.0)]
    [InlineData("7d", 604_800.0)]
    [InlineData("3660d", 316_224_000.0)]
    public void A_time_may_be_zero_and_up_to_ten_years(string text, double seconds) =>
        Assert.Equal(seconds, Read(text).Caches[0].DefaultTtl.TotalSeconds);

    [Theory]
    [InlineData("3661d")]
    [InlineData("5M")]
    [InlineData("-1s")]
    [InlineData("NaN")]
    [InlineData("")]
    [InlineData("s")]
    public void Any_other_time_is_refused_with_its_option_value_and_source(string text)
    {
        var refusal = Assert.Throws<OptionException>(() => Read(text));
        Assert.StartsWith($"default-ttl is '{text}' (from --default-ttl); allowed: ", refusal.Message, StringComparison.Ordinal);
    }

    private static ServeSettings Read(string defaultTtl) =>
        ServeSettings.Read(option => option == ServeOption.DefaultTtl ? (defaultTtl, option.Flag) : null, 1L << 30);
}
