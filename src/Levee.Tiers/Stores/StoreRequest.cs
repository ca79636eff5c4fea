namespace Levee.Tiers.Stores;

/// <summary>A request to an object store, whoever's library sends it: it has a time, and every failure of it is an <see cref="IOException"/> that says what happened.</summary>
public static class StoreRequest
{
    /// <summary>Runs a request.</summary>
    /// <param name="what">What is asked, and where, for messages: no secret.</param>
    /// <param name="timeout">How long it may take, the transfer of its body included.</param>
    /// <param name="request">Sends it.</param>
    /// <param name="inWords">What a failure of the library's means; null for one that is not known.</param>
    /// <param name="cancellation">The caller's; it passes through.</param>
    public static async Task<T> RunAsync<T>(string what, TimeSpan timeout, Func<CancellationToken, Task<T>> request, Func<Exception, string?> inWords, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(inWords);
        cancellation.ThrowIfCancellationRequested();
        using var clock = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        clock.CancelAfter(timeout);
        try
        {
            return await request(clock.Token).ConfigureAwait(false);
        }
        catch (Exception broken) when (cancellation.IsCancellationRequested && broken is not OperationCanceledException)
        {
            // Libraries dress a cancelled transfer up as a broken one.
            throw new OperationCanceledException($"{what}: cancelled.", broken, cancellation);
        }
        catch (Exception broken) when (clock.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            throw new IOException($"{what}: no whole answer within {timeout.TotalSeconds:0.#} seconds.", broken);
        }
        catch (Exception broken) when (inWords(broken) is { } words)
        {
            throw new IOException($"{what}: {words}", broken);
        }
        catch (Exception broken) when (broken is HttpRequestException or TimeoutException or IOException)
        {
            throw new IOException($"{what}: {broken.Message}", broken);
        }
    }
}
