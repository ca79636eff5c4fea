using Levee.Memory;
using Levee.Operations;
using Microsoft.AspNetCore.Http;

namespace Levee.Server.Http;

/// <summary>One entry: <c>/caches/{cache}/keys/{key}</c>.</summary>
internal sealed class EntryEndpoints(CacheCatalog catalog, TimeProvider time)
{
    private long Now => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>GET and HEAD. HEAD asks without counting as a use.</summary>
    public async Task GetAsync(HttpContext context, string cache)
    {
        var problem = Locate(context, cache, out var host, out var key);
        var preconditions = Preconditions.None;
        problem ??= Preconditions.Read(context.Request, out preconditions);
        if (problem is not null)
        {
            await Problems.WriteAsync(context, problem).ConfigureAwait(false);
            return;
        }

        var isHead = HttpMethods.IsHead(context.Request.Method);
        using var answer = await host.GetAsync(key, isHead, context.RequestAborted).ConfigureAwait(false);
        problem = ProblemOfRead(answer, preconditions);
        if (problem is not null)
        {
            await Problems.WriteAsync(context, problem).ConfigureAwait(false);
            return;
        }

        var entry = answer.Entry!;
        EntryHeaders.Write(context.Response, entry, Now);
        if (!preconditions.Allow(entry.Version))
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        EntryHeaders.WriteContent(context.Response, entry);
        if (!isHead)
        {
            await SendAsync(context, entry).ConfigureAwait(false);
        }
    }

    /// <summary>PUT: 204, or 201 where the request itself demanded absence; whether an entry was there is not asked for otherwise, for that could cost a read of a lower tier.</summary>
    public async Task PutAsync(HttpContext context, string cache)
    {
        var problem = Locate(context, cache, out var host, out var key);
        var preconditions = Preconditions.None;
        var metadata = default(EntryMetadata);
        problem ??= Preconditions.Read(context.Request, out preconditions) ?? EntryHeaders.Read(context.Request, out metadata);
        if (problem is not null)
        {
            await Problems.WriteAsync(context, problem).ConfigureAwait(false);
            return;
        }

        var (body, unread) = await ValueBody.ReadAsync(context, host, time).ConfigureAwait(false);
        if (body is null)
        {
            await Problems.WriteAsync(context, unread!).ConfigureAwait(false);
            return;
        }

        using (body)
        {
            using var answer = await WriteAsync(host, key, preconditions,
                condition => host.SetAsync(key, body.Inline, body.Large, metadata, Now, condition, context.RequestAborted), context.RequestAborted).ConfigureAwait(false);
            if (answer.Outcome != Outcome.Stored)
            {
                await Problems.WriteAsync(context, Problems.OfRefusal(answer)).ConfigureAwait(false);
                return;
            }

            Succeed(context, preconditions.NeedsAbsence ? StatusCodes.Status201Created : StatusCodes.Status204NoContent, answer);
        }
    }

    /// <summary>DELETE: 204, or 404 where there was nothing.</summary>
    public async Task DeleteAsync(HttpContext context, string cache)
    {
        var problem = Locate(context, cache, out var host, out var key);
        var preconditions = Preconditions.None;
        problem ??= Preconditions.Read(context.Request, out preconditions);
        if (problem is null)
        {
            using var answer = await WriteAsync(host, key, preconditions, condition => host.DeleteAsync(key, condition, context.RequestAborted), context.RequestAborted).ConfigureAwait(false);
            problem = answer.Outcome switch
            {
                Outcome.Removed => null,
                Outcome.Miss when preconditions.NeedsEntry => Problems.PreconditionFailed(null),
                _ => Problems.OfRefusal(answer),
            };
        }

        await FinishAsync(context, problem).ConfigureAwait(false);
    }

    /// <summary>PATCH: changes the TTL and nothing else, the version included.</summary>
    public async Task PatchAsync(HttpContext context, string cache)
    {
        var problem = Locate(context, cache, out var host, out var key);
        var preconditions = Preconditions.None;
        var lifetime = default(Lifetime);
        problem ??= Preconditions.Read(context.Request, out preconditions) ?? EntryHeaders.ReadLifetime(context.Request, out lifetime);
        problem ??= lifetime.IsDefault ? Problems.BadValue("ttl", "", Lifetime.Allowed) : null;
        problem ??= preconditions.IsEmpty ? null : Problems.BadRequest("PATCH takes no If-Match and no If-None-Match: a TTL is changed on whatever entry is there.", StatusCodes.Status400BadRequest);
        if (problem is null)
        {
            using var answer = await host.ExpireAsync(key, lifetime, Now, context.RequestAborted).ConfigureAwait(false);
            if (answer.Outcome == Outcome.Stored)
            {
                Succeed(context, StatusCodes.Status204NoContent, answer);
                return;
            }

            problem = Problems.OfRefusal(answer);
        }

        await Problems.WriteAsync(context, problem).ConfigureAwait(false);
    }

    private static Problem? ProblemOfRead(in KeptAnswer answer, Preconditions preconditions) => answer switch
    {
        { Outcome: Outcome.Unavailable } => Problems.Unavailable(),
        { Entry: null } => preconditions.NeedsEntry ? Problems.PreconditionFailed(null) : Problems.NoEntry(),
        { Entry: var entry } when !preconditions.AllowMatch(entry.Version) => Problems.PreconditionFailed(entry.Version),
        { Entry.Kind: not EntryKind.Bytes } => Problems.WrongKind(),
        _ => null,
    };

    /// <summary>
    /// Writes under the request's conditions. Where the engine cannot check them itself they are decided on the entry's state, and the write demands that state; when the
    /// state has changed in between they are decided anew. That ends: somebody else's write succeeded each time.
    /// </summary>
    private static async Task<KeptAnswer> WriteAsync(
        ICacheHost cache, byte[] key, Preconditions preconditions, Func<StateCondition, Task<KeptAnswer>> write, CancellationToken cancellationToken)
    {
        if (preconditions.TryExpress(out var condition))
        {
            return await write(condition).ConfigureAwait(false);
        }

        var seen = await cache.GetAsync(key, peeks: true, cancellationToken).ConfigureAwait(false);
        while (seen.Outcome is Outcome.Hit or Outcome.Miss or Outcome.ConditionFailed)
        {
            var version = seen.Entry?.Version;
            if (!preconditions.Allow(version))
            {
                return seen with { Outcome = Outcome.ConditionFailed };
            }

            seen.Dispose();
            seen = await write(Preconditions.Exactly(version)).ConfigureAwait(false);
            if (seen.Outcome == Outcome.Miss && version is null)
            {
                return seen;
            }
        }

        return seen;
    }

    private static void Succeed(HttpContext context, int status, in KeptAnswer answer)
    {
        context.Response.StatusCode = status;
        if (answer.Entry is { } entry)
        {
            context.Response.Headers.ETag = Preconditions.TagOf(entry.Version);
            context.Response.Headers[EntryHeaders.Version] = Preconditions.VersionText(entry.Version);
        }
    }

    private static Task FinishAsync(HttpContext context, Problem? problem)
    {
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return problem is null ? Task.CompletedTask : Problems.WriteAsync(context, problem);
    }

    /// <summary>Sends the value, a large one piece by piece as the client takes it.</summary>
    private static async Task SendAsync(HttpContext context, EntryCopy entry)
    {
        var body = context.Response.BodyWriter;
        var tally = RequestTally.Of(context);
        if (entry.Large is null)
        {
            tally.SentBytes += entry.Value.Length;
            await body.WriteAsync(entry.Value, context.RequestAborted).ConfigureAwait(false);
            return;
        }

        using var staged = new RequestStaging(context);
        staged.SendFrom(entry.Large);
        for (var offset = 0; offset < entry.ValueLength;)
        {
            var count = WritePiece(body, entry.Large, offset);
            offset += count;
            tally.SentBytes += count;
            var flushed = await body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
            staged.Moved();
            if (flushed.IsCompleted)
            {
                return;
            }
        }
    }

    private static int WritePiece(System.Buffers.IBufferWriter<byte> body, LargeValue large, int offset)
    {
        var piece = large.Read(offset);
        System.Buffers.BuffersExtensions.Write(body, piece);
        return piece.Length;
    }

    private Problem? Locate(HttpContext context, string name, out ICacheHost cache, out byte[] key)
    {
        key = [];
        return catalog.TryGet(name, out cache!) ? RawPath.ReadKey(context, out key) : Problems.UnknownCache(name, catalog);
    }
}
