using Levee.Tiers;
using Xunit;

namespace Levee.Storage.S3.Tests;

public sealed class S3StoreOptionsTests
{
    [Fact]
    public void A_whole_uri_is_read()
    {
        var options = S3StoreOptions.Parse("s3://my.bucket-1/levee/prod/?endpoint=http://127.0.0.1:4568&region=eu-central-1&pathstyle=false");
        Assert.Equal("my.bucket-1", options.Bucket);
        Assert.Equal("levee/prod/", options.Prefix);
        Assert.Equal("http://127.0.0.1:4568", options.Endpoint);
        Assert.Equal("eu-central-1", options.Region);
        Assert.False(options.IsPathStyle);
        Assert.Equal("s3://my.bucket-1/levee/prod?endpoint=http://127.0.0.1:4568", options.Location);
    }

    [Fact]
    public void A_bucket_is_enough()
    {
        var options = S3StoreOptions.Parse("s3://bucket");
        Assert.Equal("", options.Prefix);
        Assert.Null(options.Endpoint);
        Assert.Null(options.Region);
        Assert.False(options.IsPathStyle);
    }

    [Fact]
    public void An_endpoint_means_path_style_and_may_be_escaped()
    {
        var options = S3StoreOptions.Parse("s3://bucket/?endpoint=https%3A%2F%2Fminio.example%3A9000%2F");
        Assert.True(options.IsPathStyle);
        Assert.Equal("https://minio.example:9000", options.Endpoint);
    }

    [Theory]
    [InlineData("redis://bucket", "begins with s3://")]
    [InlineData("s3:bucket", "begins with s3://")]
    [InlineData("s3://", "3 to 63")]
    [InlineData("s3://Bucket", "lower-case")]
    [InlineData("s3://bucket/a//b", "no empty part")]
    [InlineData("s3://bucket/../b", "'..'")]
    [InlineData("s3://bucket/a%20b", "letters, digits")]
    [InlineData("s3://bucket#part", "3 to 63")]
    [InlineData("s3://bucket/x?endpoint=127.0.0.1:4568", "endpoint is http:// or https://")]
    [InlineData("s3://bucket/x?endpoint=ftp://host", "endpoint is http:// or https://")]
    [InlineData("s3://bucket/x?endpoint=http://host/path", "endpoint is http:// or https://")]
    [InlineData("s3://bucket/x?endpoint=", "endpoint needs one value")]
    [InlineData("s3://bucket/x?region", "region needs one value")]
    [InlineData("s3://bucket/x?region=a1&region=b1", "given once")]
    [InlineData("s3://bucket/x?region=EU Central", "eu-central-1")]
    [InlineData("s3://bucket/x?pathstyle=yes", "pathstyle is true or false")]
    [InlineData("s3://bucket/x?regoin=eu", "'regoin' is none of a s3:// URI's; it may have endpoint, region, pathstyle")]
    public void A_wrong_uri_is_refused_with_what_is_wrong_and_what_is_allowed(string uri, string words)
    {
        var refusal = Assert.Throws<TierException>(() => S3StoreOptions.Parse(uri));
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("s3://bucket/prefix?endpoint=", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("s3://AKIAKEY:secret%2Fword@bucket/prefix")]
    [InlineData("s3://AKIAKEY@bucket")]
    [InlineData("s3://AKIAKEY:secret/word@bucket/prefix")]
    [InlineData("s3://bucket/prefix?secretkey=secretword")]
    [InlineData("s3://bucket/prefix?region=eu-west-1&AKIAKEY/secretword=")]
    [InlineData("s3://bucket/prefix?endpoint=http://AKIAKEY:secretword@host:9000")]
    [InlineData("s3://bucket/prefix?region=AKIAKEY:secretword")]
    public void Credentials_in_the_uri_are_refused_and_never_repeated(string uri)
    {
        var refusal = Assert.Throws<TierException>(() => S3StoreOptions.Parse(uri));
        Assert.DoesNotContain("AKIA", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secretword", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("word@", refusal.Message, StringComparison.Ordinal);
    }
}
