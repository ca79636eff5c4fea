using System.Globalization;
using System.Text;
using Levee.Keys;
using Polly.CircuitBreaker;

namespace Levee.Tiers.Redis;

/// <content>The life of the connection: connect, fence, send until it ends, begin again.</content>
public sealed partial class RedisTier
{
    private readonly Random jitter = new();
    private RedisLink? link;
    private LinkReplies? currentReplies;
    private string note = "";
    private long recoveredHoldsFromMs;

    private async Task RunAsync(CancellationToken cancellation)
    {
        var backoff = options.MinBackoff;
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                var replies = new LinkReplies(this);
                await using var connected = await breaker.RunAsync(token => ConnectAsync(replies, token), cancellation).ConfigureAwait(false);
                backoff = options.MinBackoff;
                await UseAsync(connected, replies, cancellation).ConfigureAwait(false);
            }
            catch (RedisException failure)
            {
                SetProblem(failure.Message, failure.Kind);
                LogUnusable(Name, failure.Message);
            }
            catch (BrokenCircuitException)
            {
                // The breaker's own pause is not over.
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                return;
            }

            try
            {
                await Task.Delay(backoff * (0.5 + (jitter.NextDouble() / 2)), time, cancellation).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            backoff = backoff * 2 < options.MaxBackoff ? backoff * 2 : options.MaxBackoff;
        }
    }

    /// <summary>Connects and sees to it that what Redis holds is what the log speaks of, and that nothing of an earlier connection comes after.</summary>
    private async ValueTask<RedisLink> ConnectAsync(LinkReplies replies, CancellationToken cancellation)
    {
        var connected = await RedisLink.ConnectAsync(options, "levee-" + ClientName(host.CacheName), time, replies, cancellation).ConfigureAwait(false);
        try
        {
            await FenceAsync(connected).ConfigureAwait(false);
        }
        catch
        {
            await connected.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        context.Failpoint?.Invoke("redis:connected");
        return connected;
    }

    private async Task FenceAsync(RedisLink connected)
    {
        var former = RedisNote.Parse(note);
        var place = PlaceOf(options, host.CacheName);
        if (former.RunId == connected.RunId && former.Place == place)
        {
            await KillAsync(connected, former.ClientId).ConfigureAwait(false);
        }
        else
        {
            lock (gate)
            {
                // A first connection, or another life of the server: what it holds may be old.
                if (former.RunId.Length > 0 || isListing)
                {
                    GiveUpGeneration("Redis was started anew, or is another one");
                }
            }
        }

        lock (gate)
        {
            WriteNote(new RedisNote(connected.RunId, connected.ClientId, place, isListing ? recoveredHoldsFromMs : Math.Min(HoldsFrom(), NowMs())));
        }
    }

    private static async Task KillAsync(RedisLink connected, long clientId)
    {
        if (clientId == 0 || clientId == connected.ClientId)
        {
            return;
        }

        try
        {
            await connected.CallAsync("CLIENT", "KILL", "ID", clientId).ConfigureAwait(false);
        }
        catch (RedisException refused) when (refused.Message.Contains("No such client", StringComparison.OrdinalIgnoreCase))
        {
            // It has ended already.
        }
    }

    private async Task UseAsync(RedisLink connected, LinkReplies replies, CancellationToken cancellation)
    {
        Task? listing = null;
        Task? deleting = null;
        try
        {
            BeginSending(connected, replies);
            var wake = WakeWhenEndedAsync(connected);
            if (isListing)
            {
                listing = ListAsync(connected, cancellation);
            }

            if (state.GivenUp.Count > 0)
            {
                deleting = DeleteGivenUpAsync(connected, cancellation);
            }

            await PumpAsync(connected, cancellation).ConfigureAwait(false);
            if (!cancellation.IsCancellationRequested)
            {
                await wake.ConfigureAwait(false);
                throw new RedisException(RedisErrorKind.Unknown, connected.Failure);
            }
        }
        finally
        {
            connected.End("the tier let it go");
            await connected.Ended.ConfigureAwait(false);
            EndSending(connected.Failure);
            await Task.WhenAll(listing ?? Task.CompletedTask, deleting ?? Task.CompletedTask).ConfigureAwait(false);
        }
    }

    private async Task WakeWhenEndedAsync(RedisLink connected)
    {
        await connected.Ended.ConfigureAwait(false);
        work.Raise();
    }

    private void BeginSending(RedisLink connected, LinkReplies replies)
    {
        lock (gate)
        {
            sentSets.Clear();
            if (reachedTicket > answeredTicket)
            {
                groups.Hold(heldSinceMs);
            }

            sentTicket = answeredTicket;
            sentTombstone = tombstones.Answered;
            replies.IsCurrent = true;
            currentReplies = replies;
            link = connected;
        }

        ClearProblem();
        LogConnected(Name);
    }

    private void EndSending(string reason)
    {
        lock (gate)
        {
            link = null;
            if (currentReplies is { } replies)
            {
                replies.IsCurrent = false;
            }

            FailWriteThroughs();
        }

        if (!stopping.IsCancellationRequested)
        {
            SetProblem(reason, RedisErrorKind.Unknown);
            breaker.Report(RedisErrorKind.Unknown);
        }
    }

    /// <summary>Takes the present generation's names and log; where the generation is not new, what it holds is to be found out.</summary>
    private void OpenGeneration(bool isContinued)
    {
        var generation = state.Generation;
        names = new RedisNames(options.Prefix, host.CacheName, generation);
        note = state.Note;
        isListing = isContinued;
        recoveredHoldsFromMs = isContinued ? RedisNote.Parse(note).HoldsFromMs : 0;
        if (!tombstones.TryOpen(generation, (hash, _, number) => MarkVoid(hash, number)))
        {
            GiveUpGeneration("too many tombstones wait for Redis");
        }

        tombstones.KeepSpare();
        removals.Open(generation);
    }

    /// <summary>
    /// Begins a new generation: what Redis holds, and what is under way to it, does not count any more. What waits to be written stays. Only the new generation's name is durable when this
    /// returns, and that is enough: what was logged for another one is not read.
    /// </summary>
    private void GiveUpGeneration(string reason)
    {
        LogGivenUp(Name, reason);
        state.BeginGeneration();
        names = new RedisNames(options.Prefix, host.CacheName, state.Generation);
        tombstones.Restart(state.Generation);
        removals.Restart(state.Generation);
        isListing = false;
        replacing.Clear();
        KeepOnlyBuffered();
        groups.Clear();
        if (currentReplies is { } replies)
        {
            replies.IsCurrent = false;
        }

        link?.End("a new generation begins");
        link = null;
    }

    private void WriteNote(RedisNote changed)
    {
        note = changed.ToString();
        state.SetNote(note);
    }

    private static ulong PlaceOf(RedisOptions options, string cache) =>
        KeyHash.Of(Encoding.UTF8.GetBytes($"{options.Database.ToString(CultureInfo.InvariantCulture)}\n{options.Prefix}\n{cache}"));

    private static string ClientName(string cache) => string.Concat(cache.Select(letter => char.IsAsciiLetterOrDigit(letter) ? letter : '-'));

    /// <summary>The answers of one connection; they count while it is the tier's.</summary>
    internal sealed class LinkReplies(RedisTier tier) : IRedisReplies
    {
        /// <summary>Whether the connection is the tier's. Under the tier's lock.</summary>
        public bool IsCurrent { get; set; }

        /// <inheritdoc/>
        public void Answered(ReadOnlySpan<RedisAnswer> answers) => tier.Answered(this, answers);

        /// <inheritdoc/>
        public void Refused(RedisErrorKind kind, ReadOnlySpan<byte> error) => tier.Refused(kind, error);
    }
}
