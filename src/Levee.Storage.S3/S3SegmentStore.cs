using System.Net;
using System.Runtime.CompilerServices;
using Amazon;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Levee.Tiers;
using Levee.Tiers.Stores;

namespace Levee.Storage.S3;

/// <summary>
/// Segments as objects of a bucket, in AWS or in any service that speaks S3. A write is one PUT with its length known and its body not in signed chunks, a read one ranged GET:
/// that is what the services have in common, and what is paid for. The SDK retries nothing: its caller does.
/// </summary>
public sealed class S3SegmentStore : ISegmentStore
{
    private readonly S3StoreOptions options;
    private readonly AmazonS3Client client;

    /// <param name="options">Which bucket, where.</param>
    /// <exception cref="TierException">The SDK cannot be set up: no region is known.</exception>
    public S3SegmentStore(S3StoreOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        this.options = options;
        try
        {
            client = new AmazonS3Client(Configuration(options));
        }
        catch (AmazonClientException broken)
        {
            throw new TierException($"{options.Location}: the AWS SDK cannot be set up. Without an endpoint it must know the region: add ?region=... or set AWS_REGION.", broken);
        }
    }

    /// <inheritdoc />
    public string Kind => "s3";

    /// <inheritdoc />
    public string Location => options.Location;

    /// <inheritdoc />
    public async Task WriteAsync(string name, SegmentContent content, CancellationToken cancellation)
    {
        SegmentName.Check(name);
        ArgumentNullException.ThrowIfNull(content);
        var stream = new SegmentContentStream(content);
        await using (stream.ConfigureAwait(false))
        {
            var request = new PutObjectRequest
            {
                BucketName = options.Bucket,
                Key = options.Prefix + name,
                InputStream = stream,
                AutoCloseStream = false,
                ContentType = "application/octet-stream",
                UseChunkEncoding = false,
                // Over TLS the body needs no second reading for its hash; each record carries its own checksum anyway.
                DisablePayloadSigning = IsSecure,
            };
            await AskAsync("PUT", name, TimeoutOf(content.Length), token => client.PutObjectAsync(request, token), cancellation).ConfigureAwait(false);
        }
    }

    /// <inheritdoc />
    public ValueTask<int> ReadAsync(string name, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        SegmentName.Check(name);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return new ValueTask<int>(AskAsync("GET", name, TimeoutOf(destination.Length), token => ReadRangeAsync(name, offset, destination, token), cancellation));
    }

    /// <inheritdoc />
    public async Task DeleteAsync(string name, CancellationToken cancellation)
    {
        SegmentName.Check(name);
        await AskAsync("DELETE", name, options.RequestTimeout, token => DeleteObjectAsync(name, token), cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc />
    public async IAsyncEnumerable<StoredSegment> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        var request = new ListObjectsV2Request { BucketName = options.Bucket, Prefix = options.Prefix + prefix };
        while (true)
        {
            var page = await AskAsync("LIST", prefix, options.RequestTimeout, token => client.ListObjectsV2Async(request, token), cancellation).ConfigureAwait(false);
            foreach (var found in page.S3Objects ?? [])
            {
                yield return new StoredSegment(found.Key[options.Prefix.Length..], found.Size ?? 0, new DateTimeOffset((found.LastModified ?? default).ToUniversalTime(), TimeSpan.Zero));
            }

            if (page.IsTruncated != true)
            {
                yield break;
            }

            request.ContinuationToken = page.NextContinuationToken;
        }
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync()
    {
        client.Dispose();
        return ValueTask.CompletedTask;
    }

    private bool IsSecure => options.Endpoint is null || options.Endpoint.StartsWith("https:", StringComparison.Ordinal);

    private TimeSpan TimeoutOf(long bytes) => options.RequestTimeout + TimeSpan.FromSeconds(bytes >> 20);

    private static AmazonS3Config Configuration(S3StoreOptions options)
    {
        var configuration = new AmazonS3Config
        {
            MaxErrorRetry = 0,
            // A request on a pooled connection that the service has closed meanwhile was never answered; not counting it as a retry would hide a second PUT.
            MaxStaleConnectionRetries = 0,
            // The request's own clock ends it, with the body's transfer in it.
            Timeout = TimeSpan.FromHours(1),
            ForcePathStyle = options.IsPathStyle,
            // Services that are not AWS refuse checksums that they do not know.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        };
        if (options.Endpoint is not null)
        {
            configuration.ServiceURL = options.Endpoint;
            configuration.AuthenticationRegion = options.Region ?? "us-east-1";
        }
        else if (options.Region is not null)
        {
            configuration.RegionEndpoint = RegionEndpoint.GetBySystemName(options.Region);
        }

        return configuration;
    }

    private async Task<int> ReadRangeAsync(string name, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        // A range has at least one byte.
        var request = new GetObjectRequest { BucketName = options.Bucket, Key = options.Prefix + name, ByteRange = new ByteRange(offset, offset + Math.Max(destination.Length, 1) - 1) };
        try
        {
            using var response = await client.GetObjectAsync(request, cancellation).ConfigureAwait(false);
            if (response.HttpStatusCode != HttpStatusCode.PartialContent && offset != 0)
            {
                throw new IOException($"The service at {Location} does not read ranges: it answered {(int)response.HttpStatusCode} instead of 206.");
            }

            var expected = (int)Math.Min(destination.Length, response.ContentLength);
            var count = await response.ResponseStream.ReadAtLeastAsync(destination[..expected], expected, throwOnEndOfStream: false, cancellation).ConfigureAwait(false);
            return count == expected ? count : throw new IOException($"The answer ended after {count} of {expected} bytes.");
        }
        catch (AmazonS3Exception refusal) when (refusal.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            return 0;
        }
        catch (AmazonS3Exception refusal) when (IsMissingObject(refusal))
        {
            return -1;
        }
    }

    private async Task<bool> DeleteObjectAsync(string name, CancellationToken cancellation)
    {
        try
        {
            await client.DeleteObjectAsync(new DeleteObjectRequest { BucketName = options.Bucket, Key = options.Prefix + name }, cancellation).ConfigureAwait(false);
            return true;
        }
        catch (AmazonS3Exception refusal) when (IsMissingObject(refusal))
        {
            return false;
        }
    }

    private static bool IsMissingObject(AmazonS3Exception refusal) => refusal.StatusCode == HttpStatusCode.NotFound && refusal.ErrorCode != "NoSuchBucket";

    private Task<T> AskAsync<T>(string verb, string name, TimeSpan timeout, Func<CancellationToken, Task<T>> request, CancellationToken cancellation) =>
        StoreRequest.RunAsync($"{verb} {name} at {Location}", timeout, request, InWords, cancellation);

    private string? InWords(Exception failure) => failure switch
    {
        AmazonServiceException refusal => InWords(refusal),
        AmazonClientException broken => broken.Message,
        _ => null,
    };

    private string InWords(AmazonServiceException refusal)
    {
        var code = string.IsNullOrEmpty(refusal.ErrorCode) ? $"{(int)refusal.StatusCode}" : $"{refusal.ErrorCode}, {(int)refusal.StatusCode}";
        return (refusal.ErrorCode, (int)refusal.StatusCode) switch
        {
            ("NoSuchBucket", _) => $"there is no bucket '{options.Bucket}' ({code}). Create it, or name another in the URI.",
            ("InvalidAccessKeyId" or "SignatureDoesNotMatch" or "ExpiredToken" or "InvalidToken", _) => $"the credentials are not accepted ({code}).",
            ("PermanentRedirect" or "AuthorizationHeaderMalformed" or "IllegalLocationConstraintException", _) => $"the bucket is in another region ({code}). Give its own by ?region=...",
            ("RequestTimeTooSkewed", _) => $"this machine's clock is wrong ({code}).",
            (_, 401 or 403) => $"access is denied ({code}). The credentials need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket here.",
            ("SlowDown" or "Throttling" or "TooManyRequests" or "RequestLimitExceeded", _) or (_, 429) => $"the service asks to slow down ({code}).",
            (_, >= 500) => $"the service failed ({code}).",
            (_, 0) => $"no answer that can be understood: {refusal.Message}",
            _ => $"the service refused ({code}).",
        };
    }
}
