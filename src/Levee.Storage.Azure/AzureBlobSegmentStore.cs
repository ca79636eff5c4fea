using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using Azure;
using Azure.Core;
using Azure.Identity;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Levee.Tiers;
using Levee.Tiers.Stores;

namespace Levee.Storage.Azure;

/// <summary>Segments as block blobs of a container. A write is one Put Blob, a read one ranged Get Blob. The library retries nothing: its caller does.</summary>
public sealed class AzureBlobSegmentStore : ISegmentStore
{
    private readonly AzureBlobStoreOptions options;
    private readonly BlobContainerClient container;

    /// <param name="options">Which container, where.</param>
    /// <exception cref="TierException">The credentials in the environment cannot be those of this account.</exception>
    public AzureBlobSegmentStore(AzureBlobStoreOptions options)
        : this(options, Environment.GetEnvironmentVariable)
    {
    }

    internal AzureBlobSegmentStore(AzureBlobStoreOptions options, Func<string, string?> environment)
    {
        ArgumentNullException.ThrowIfNull(options);
        this.options = options;
        container = Connect(options, environment).GetBlobContainerClient(options.Container);
    }

    /// <inheritdoc />
    public string Kind => "azblob";

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
            // Below the initial size, not at it, it is one request.
            var size = content.Length + 1;
            var upload = new BlobUploadOptions
            {
                TransferOptions = new StorageTransferOptions { InitialTransferSize = size, MaximumTransferSize = size, MaximumConcurrency = 1 },
            };
            await AskAsync("PUT", name, TimeoutOf(content.Length), token => Blob(name).UploadAsync(stream, upload, token), cancellation).ConfigureAwait(false);
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
        await AskAsync("DELETE", name, options.RequestTimeout, token => DeleteBlobAsync(name, token), cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc />
    public async IAsyncEnumerable<StoredSegment> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        string? after = null;
        do
        {
            var page = await AskAsync("LIST", prefix, options.RequestTimeout, token => PageAsync(prefix, after, token), cancellation).ConfigureAwait(false);
            foreach (var blob in page.Values)
            {
                yield return new StoredSegment(blob.Name[options.Prefix.Length..], blob.Properties.ContentLength ?? 0, blob.Properties.LastModified ?? default);
            }

            after = page.ContinuationToken;
        }
        while (!string.IsNullOrEmpty(after));
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static BlobServiceClient Connect(AzureBlobStoreOptions options, Func<string, string?> environment)
    {
        var configuration = new BlobClientOptions();
        configuration.Retry.MaxRetries = 0;
        // The request's own clock ends it.
        configuration.Retry.NetworkTimeout = TimeSpan.FromHours(1);
        configuration.AddPolicy(new OneAnswerPolicy(), HttpPipelinePosition.PerCall);
        if (environment("AZURE_STORAGE_CONNECTION_STRING") is { Length: > 0 } connection)
        {
            return ByConnectionString(options, connection, configuration);
        }

        if (environment("AZURE_STORAGE_KEY") is { Length: > 0 } key)
        {
            return new BlobServiceClient(options.Address, SharedKey(options, key), configuration);
        }

        if (options.Address.Scheme != Uri.UriSchemeHttps)
        {
            throw new TierException($"{options.Location}: tokens of Azure's identities are sent over https only. Give an https endpoint, or set AZURE_STORAGE_KEY or AZURE_STORAGE_CONNECTION_STRING.");
        }

        return new BlobServiceClient(options.Address, new DefaultAzureCredential(), configuration);
    }

    private static BlobServiceClient ByConnectionString(AzureBlobStoreOptions options, string connection, BlobClientOptions configuration)
    {
        BlobServiceClient service;
        try
        {
            service = new BlobServiceClient(connection, configuration);
        }
        catch (Exception broken) when (broken is FormatException or ArgumentException or InvalidOperationException)
        {
            // No inner exception: its message may repeat a part of the string.
            throw new TierException($"{options.Location}: AZURE_STORAGE_CONNECTION_STRING is not a connection string.");
        }

        if (service.AccountName != options.Account)
        {
            throw new TierException($"{options.Location}: AZURE_STORAGE_CONNECTION_STRING is another account's ('{service.AccountName}').");
        }

        if (options.Endpoint is not null && service.Uri.GetLeftPart(UriPartial.Path).TrimEnd('/') != options.Endpoint)
        {
            throw new TierException($"{options.Location}: AZURE_STORAGE_CONNECTION_STRING has another endpoint ({service.Uri.GetLeftPart(UriPartial.Path)}). Leave one of the two out.");
        }

        return service;
    }

    private static StorageSharedKeyCredential SharedKey(AzureBlobStoreOptions options, string key)
    {
        try
        {
            return new StorageSharedKeyCredential(options.Account, key);
        }
        catch (FormatException)
        {
            throw new TierException($"{options.Location}: AZURE_STORAGE_KEY is not an account's key, which is base64.");
        }
    }

    private BlobClient Blob(string name) => container.GetBlobClient(options.Prefix + name);

    private TimeSpan TimeoutOf(long bytes) => options.RequestTimeout + TimeSpan.FromSeconds(bytes >> 20);

    private async Task<int> ReadRangeAsync(string name, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        // A range has at least one byte.
        var range = new BlobDownloadOptions { Range = new HttpRange(offset, Math.Max(destination.Length, 1)) };
        using var once = OneAnswerPolicy.Begin();
        try
        {
            using var answer = (await Blob(name).DownloadStreamingAsync(range, cancellation).ConfigureAwait(false)).Value;
            var expected = (int)Math.Min(destination.Length, answer.Details.ContentLength);
            var count = await answer.Content.ReadAtLeastAsync(destination[..expected], expected, throwOnEndOfStream: false, cancellation).ConfigureAwait(false);
            return count == expected ? count : throw new IOException($"The answer ended after {count} of {expected} bytes.");
        }
        catch (RequestFailedException refusal) when (refusal.Status == (int)HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            return 0;
        }
        catch (RequestFailedException refusal) when (IsMissingBlob(refusal))
        {
            return -1;
        }
    }

    private async Task<bool> DeleteBlobAsync(string name, CancellationToken cancellation)
    {
        try
        {
            await Blob(name).DeleteAsync(DeleteSnapshotsOption.IncludeSnapshots, conditions: null, cancellation).ConfigureAwait(false);
            return true;
        }
        catch (RequestFailedException refusal) when (IsMissingBlob(refusal))
        {
            return false;
        }
    }

    private async Task<Page<BlobItem>> PageAsync(string prefix, string? after, CancellationToken cancellation)
    {
        var pages = container.GetBlobsAsync(BlobTraits.None, BlobStates.None, options.Prefix + prefix, cancellation).AsPages(after).GetAsyncEnumerator(cancellation);
        await using (pages.ConfigureAwait(false))
        {
            await pages.MoveNextAsync().ConfigureAwait(false);
            return pages.Current;
        }
    }

    private static bool IsMissingBlob(RequestFailedException refusal) => refusal.Status == (int)HttpStatusCode.NotFound && refusal.ErrorCode != "ContainerNotFound";

    private Task<T> AskAsync<T>(string verb, string name, TimeSpan timeout, Func<CancellationToken, Task<T>> request, CancellationToken cancellation) =>
        StoreRequest.RunAsync($"{verb} {name} at {Location}", timeout, request, InWords, cancellation);

    private string? InWords(Exception failure) => failure switch
    {
        RequestFailedException refusal => InWords(refusal),
        // The library gives up on an answer that was cut short with what it met on the way.
        AggregateException { InnerException: { } first } => InWords(first) ?? first.Message,
        CredentialUnavailableException => $"no credentials were found. Set AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_KEY, or run where Azure gives an identity.",
        AuthenticationFailedException => "the identity that was found could not sign in.",
        _ => null,
    };

    private string InWords(RequestFailedException refusal)
    {
        var status = refusal.Status.ToString(CultureInfo.InvariantCulture);
        var code = string.IsNullOrEmpty(refusal.ErrorCode) ? status : $"{refusal.ErrorCode}, {status}";
        return (refusal.ErrorCode, refusal.Status) switch
        {
            (_, 0) => refusal.InnerException?.Message ?? "no answer.",
            ("ContainerNotFound", _) => $"there is no container '{options.Container}' ({code}). Create it, or name another in the URI.",
            ("ContainerBeingDeleted" or "AccountIsDisabled", _) => $"the container or account is not in service ({code}).",
            ("AuthenticationFailed" or "InvalidAuthenticationInfo" or "NoAuthenticationInformation", _) => $"the credentials are not accepted ({code}).",
            (_, 401 or 403) => $"access is denied ({code}). The identity needs the role Storage Blob Data Contributor on the container.",
            ("ServerBusy", _) or (_, 429) => $"the service asks to slow down ({code}).",
            (_, >= 500) => $"the service failed ({code}).",
            _ => $"the service refused ({code}).",
        };
    }
}
