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

    [Theory]
    [InlineData("on", "file", true)]
    [InlineData("off", "file", false)]
    [InlineData("on", "none", false)]
    public void Prefetching_is_on_where_there_is_something_below_to_bring_up(string prefetch, string tier, bool isOn)
    {
        var settings = ServeSettings.Read(option => option == ServeOption.Prefetch ? (prefetch, option.Flag) : option == ServeOption.Tier ? (tier, option.Flag) : null, 1L << 30);
        Assert.Equal(isOn, settings.Prefetches);
        Assert.True(ServeSettings.Read(static _ => null, 1L << 30).Prefetches);
        var refusal = Assert.Throws<OptionException>(() => ServeSettings.Read(option => option == ServeOption.Prefetch ? ("maybe", option.Flag) : null, 1L << 30));
        Assert.StartsWith("prefetch is 'maybe' (from --prefetch); allowed: on, off", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1s", 1)]
    [InlineData("10m", 600)]
    [InlineData("24h", 86_400)]
    public void A_stop_may_take_from_a_second_to_a_day(string text, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Given.Serve((ServeOption.StopTimeout, text)).StopTimeout);

    [Theory]
    [InlineData("0")]
    [InlineData("999ms")]
    [InlineData("25h")]
    [InlineData("soon")]
    public void A_stop_that_may_take_any_other_time_is_refused(string text)
    {
        var refusal = Assert.Throws<OptionException>(() => Given.Serve((ServeOption.StopTimeout, text)));
        Assert.Equal($"stop-timeout is '{text}' (from --stop-timeout); allowed: a time from 1s to 24h", refusal.Message);
        Assert.Equal(TimeSpan.FromMinutes(5), Given.Serve().StopTimeout);
    }

    private static ServeSettings Read(string defaultTtl) =>
        ServeSettings.Read(option => option == ServeOption.DefaultTtl ? (defaultTtl, option.Flag) : null, 1L << 30);
}
