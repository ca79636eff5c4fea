using Levee.Resp;
using Levee.Segments;

namespace Levee.Tiers.Redis;

/// <content>Finding out what Redis holds after a start, and deleting what generations that were given up have left there.</content>
public sealed partial class RedisTier
{
    private const int KeysPerScan = 512;

    private static readonly TimeSpan DeletionPause = TimeSpan.FromMilliseconds(5);

    /// <summary>
    /// Lists the generation's keys with the headers of their records. What the index knows already, live or void, is newer than what is listed; the rest goes into the index.
    /// </summary>
    private async Task ListAsync(RedisLink connected, CancellationToken cancellation)
    {
        try
        {
            var pattern = names.Pattern;
            string cursor = "0";
            do
            {
                cancellation.ThrowIfCancellationRequested();
                var page = await connected.CallAsync("SCAN", cursor, "MATCH", pattern, "COUNT", KeysPerScan).ConfigureAwait(false);
                cursor = System.Text.Encoding.ASCII.GetString(page.Items.Span[0].Bytes.Span);
                await ListPageAsync(connected, page.Items.Span[1].Items).ConfigureAwait(false);
                context.Failpoint?.Invoke("redis:listing");
            }
            while (cursor != "0");
            EndListing(connected);
        }
        catch (RedisException failure)
        {
            // The next connection begins it anew; a server that refuses it says why.
            SetListingProblem(connected, failure);
        }
        catch (OperationCanceledException)
        {
            // The tier stops.
        }
    }

    private async Task ListPageAsync(RedisLink connected, ReadOnlyMemory<RespValue> keys)
    {
        var hashes = new List<ulong>(keys.Length);
        var headers = new List<Task<RespValue>>(keys.Length);
        for (var i = 0; i < keys.Length; i++)
        {
            if (names.TryParse(keys.Span[i].Bytes.Span, out var hash))
            {
                hashes.Add(hash);
                headers.Add(connected.CallAsync("GETRANGE", keys.Span[i].Bytes, 0, TierRecord.HeaderBytes - 1));
            }
        }

        var found = await Task.WhenAll(headers).ConfigureAwait(false);
        lock (gate)
        {
            if (!ReferenceEquals(link, connected) || !isListing)
            {
                return;
            }

            for (var i = 0; i < found.Length; i++)
            {
                AddListed(hashes[i], found[i].Bytes.Span);
            }
        }
    }

    private void AddListed(ulong hash, ReadOnlySpan<byte> header)
    {
        if (header.IsEmpty || presence.TryFind(hash, out _))
        {
            return;
        }

        if (header.Length < TierRecord.HeaderBytes || TierRecord.Hash(header) != hash || TierRecord.Length(header) is < TierRecord.HeaderBytes or > TierRecord.MaxBytes)
        {
            Interlocked.Increment(ref damaged);
            MakeVoid(hash, ulong.MaxValue);
        }
        else if (TierRecord.Version(header) <= clears[PartitionOf(hash)].Version)
        {
            MakeVoid(hash, ulong.MaxValue);
        }
        else if (TierRecord.ExpiresAt(header) > NowMs())
        {
            // Whether it has tags is not known before it is read; so it counts as if it had.
            var location = groups.Add(TierRecord.Length(header), LocationFlags.Tagged, recoveredHoldsFromMs);
            presence.Set(new IndexEntry(hash, location, IndexEntry.Seconds(TierRecord.ExpiresAt(header))), out _);
        }
    }

    private void EndListing(RedisLink connected)
    {
        lock (gate)
        {
            if (!ReferenceEquals(link, connected) || !isListing)
            {
                return;
            }

            isListing = false;
            isToSweepVoids = true;
        }

        maintenance.Raise();
    }

    private void SetListingProblem(RedisLink connected, RedisException failure)
    {
        if (failure.Kind != RedisErrorKind.Unknown)
        {
            SetProblem(failure.Message, failure.Kind);
            connected.End(failure.Message);
        }
    }

    private async Task DeleteGivenUpAsync(RedisLink connected, CancellationToken cancellation)
    {
        try
        {
            foreach (var generation in state.GivenUp.ToArray())
            {
                var pattern = new RedisNames(options.Prefix, host.CacheName, generation).Pattern;
                string cursor = "0";
                do
                {
                    var page = await connected.CallAsync("SCAN", cursor, "MATCH", pattern, "COUNT", KeysPerScan).ConfigureAwait(false);
                    cursor = System.Text.Encoding.ASCII.GetString(page.Items.Span[0].Bytes.Span);
                    var keys = page.Items.Span[1].Items;
                    if (keys.Length > 0)
                    {
                        RespArgument[] unlink = ["UNLINK", .. keys.ToArray().Select(key => (RespArgument)key.Bytes)];
                        await connected.CallAsync(unlink).ConfigureAwait(false);
                    }

                    await Task.Delay(DeletionPause, time, cancellation).ConfigureAwait(false);
                    context.Failpoint?.Invoke("redis:given-up");
                }
                while (cursor != "0");
                state.ForgetGivenUp(generation);
            }
        }
        catch (RedisException)
        {
            // The next connection goes on.
        }
        catch (OperationCanceledException)
        {
            // The tier stops.
        }
    }
}
