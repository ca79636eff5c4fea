using Levee.Tiers.Redis;
using Xunit;

namespace Levee.Tiers.Tests.Redis;

public sealed class RedisOptionsTests
{
    [Fact]
    public void A_whole_uri_is_read()
    {
        var options = RedisOptions.Parse(new Uri("rediss://me:p%40ss@example.org:7000/2?prefix=shop&ca=/etc/ca.pem&checkHostName=false&commandTimeoutMs=250"));
        Assert.Equal(("example.org", 7000, "me", "p@ss", 2), (options.Host, options.Port, options.User, options.Password, options.Database));
        Assert.Equal(("shop", true, "/etc/ca.pem", false, 250.0), (options.Prefix, options.UsesTls, options.CertificateAuthorityFile, options.ChecksHostName, options.CommandTimeout.TotalMilliseconds));
        Assert.Equal("rediss://example.org:7000/2", options.ToString());
    }

    [Fact]
    public void What_is_not_said_has_its_default()
    {
        var options = RedisOptions.Parse(new Uri("redis://:secret@localhost"));
        Assert.Equal(("localhost", 6379, null, "secret", 0, "levee"), (options.Host, options.Port, options.User, options.Password, options.Database, options.Prefix));
        Assert.DoesNotContain("secret", options.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://host", "redis://")]
    [InlineData("redis://host/one", "number")]
    [InlineData("redis://host?colour=red", "colour")]
    [InlineData("redis://host?ca=x", "rediss://")]
    [InlineData("redis://host?commandTimeoutMs=soon", "commandTimeoutMs")]
    [InlineData("rediss://host?checkHostName=perhaps", "true or false")]
    [InlineData("redis://u:topsecret@host/x", "number")]
    public void A_wrong_uri_is_refused_in_words_without_secrets(string uri, string words)
    {
        var refusal = Assert.Throws<ArgumentException>(() => RedisOptions.Parse(new Uri(uri)));
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("topsecret", refusal.Message, StringComparison.Ordinal);
    }
}
