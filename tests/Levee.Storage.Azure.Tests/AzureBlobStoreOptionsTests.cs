using Levee.Tiers;
using Xunit;

namespace Levee.Storage.Azure.Tests;

public sealed class AzureBlobStoreOptionsTests
{
    [Theory]
    [InlineData("azblob://account/container/levee/prod/", "levee/prod/", "https://account.blob.core.windows.net/", "azblob://account/container/levee/prod")]
    [InlineData("azblob://account/container", "", "https://account.blob.core.windows.net/", "azblob://account/container")]
    [InlineData("azblob://account/container/x?endpoint=http://127.0.0.1:10000", "x/", "http://127.0.0.1:10000/account", "azblob://account/container/x?endpoint=http://127.0.0.1:10000/account")]
    [InlineData("azblob://account/container/x?endpoint=http://127.0.0.1:10000/account", "x/", "http://127.0.0.1:10000/account", "azblob://account/container/x?endpoint=http://127.0.0.1:10000/account")]
    [InlineData("azblob://account/container/x?endpoint=https://account.blob.core.chinacloudapi.cn/", "x/", "https://account.blob.core.chinacloudapi.cn/", "azblob://account/container/x?endpoint=https://account.blob.core.chinacloudapi.cn")]
    public void A_uri_is_read(string uri, string prefix, string address, string location)
    {
        var options = AzureBlobStoreOptions.Parse(uri);
        Assert.Equal("account", options.Account);
        Assert.Equal("container", options.Container);
        Assert.Equal(prefix, options.Prefix);
        Assert.Equal(address, options.Address.AbsoluteUri);
        Assert.Equal(location, options.Location);
    }

    [Theory]
    [InlineData("s3://account/container", "begins with azblob://")]
    [InlineData("azblob://Account/container", "3 to 24")]
    [InlineData("azblob://account", "The container comes after the account")]
    [InlineData("azblob://account/co", "3 to 63")]
    [InlineData("azblob://account/Container", "3 to 63")]
    [InlineData("azblob://account/con--tainer", "single '-'")]
    [InlineData("azblob://account/container/../x", "'..'")]
    [InlineData("azblob://account/container?endpoint=account.blob", "endpoint is http:// or https://")]
    [InlineData("azblob://account/container?region=x", "'region' is none of a azblob:// URI's; it may have endpoint")]
    [InlineData("azblob://account:key@account/container", "holds no user name, key or password")]
    [InlineData("azblob://account/container?endpoint=https://account.blob.core.windows.net/?sig=key", "endpoint is http:// or https://")]
    public void A_wrong_uri_is_refused_with_what_is_wrong_and_what_is_allowed(string uri, string words)
    {
        var refusal = Assert.Throws<TierException>(() => AzureBlobStoreOptions.Parse(uri));
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("sig=key", refusal.Message, StringComparison.Ordinal);
    }
}
