using System.Text;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Clustering;

/// <summary>
/// The receiver's side of packed batches: runs them on an executor and packs the answers. What is not answered at once waits to be collected, and large values to be read, for as long as
/// <see cref="BatchServerOptions.KeepFor"/>. No answer leaves before it is committed. A batch that its caller has given up on, and says so in a later request, does not run any more:
/// a write of unknown outcome never overtakes the caller's later ones on the same server. Safe for threads.
/// </summary>
public sealed class BatchServer : IAsyncDisposable
{
    private const int MaxIdle = 64;
    private const int MaxVoidedKept = 100_000;

    private readonly IBatchExecutor executor;
    private readonly BatchServerOptions options;
    private readonly TimeProvider time;
    private readonly LargeExchange exchange;
    private readonly ITimer sweeping;
    private readonly Lock gate = new();
    private readonly Dictionary<long, ServerBatch> batches = [];
    private readonly Dictionary<long, long> voided = [];
    private readonly Stack<ServerBatch> idle = new();
    private long abandoned;
    private bool isDisposed;

    /// <param name="executor">What runs the operations.</param>
    /// <param name="larges">Where large values that callers write are put together: the store of the executor's host.</param>
    /// <param name="time">The source of time, for what nobody comes for.</param>
    /// <param name="owner">Who answers, as <see cref="IBatchRoutes.Moved"/> is told: up to 255 bytes of UTF-8.</param>
    /// <param name="options">What is kept, and for how long; null: the defaults.</param>
    public BatchServer(IBatchExecutor executor, LargeValueStore larges, TimeProvider time, string owner, BatchServerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(executor);
        ArgumentNullException.ThrowIfNull(larges);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(owner);
        this.executor = executor;
        this.options = options ?? new BatchServerOptions();
        this.time = time;
        Larges = larges;
        OwnerUtf8 = Encoding.UTF8.GetBytes(owner);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(OwnerUtf8.Length, BatchLimits.MaxOwnerBytes, nameof(owner));
        exchange = new LargeExchange(larges, this.options);
        var period = this.options.KeepFor / 4;
        sweeping = time.CreateTimer(static server => ((BatchServer)server!).Sweep(), this, period, period);
    }

    /// <summary>What is kept now.</summary>
    public BatchServerStatistics Statistics
    {
        get
        {
            lock (gate)
            {
                return new BatchServerStatistics(batches.Count, exchange.StagedBytes, exchange.NamedBytes, abandoned);
            }
        }
    }

    internal byte[] OwnerUtf8 { get; }

    internal LargeValueStore Larges { get; }

    private long NowMs => (long)time.GetElapsedTime(0).TotalMilliseconds;

    /// <summary>Runs a batch now, never waits. What is pending, or not committed, is collected later.</summary>
    /// <param name="request">Packed operations. Nobody may change them as long as the batch is not collected.</param>
    /// <returns>Packed answers.</returns>
    /// <exception cref="FormatException">The request is damaged; some of its operations may have run.</exception>
    public byte[] Execute(byte[] request)
    {
        var batch = Run(request);
        byte[] reply;
        if (batch.Executed > 0 && !executor.IsCommitted)
        {
            reply = batch.ReplyLater();
        }
        else
        {
            reply = batch.Reply();
        }

        EndWhereFinished(batch);
        return reply;
    }

    /// <summary>Runs a batch and waits until its answers are committed.</summary>
    /// <param name="request">Packed operations. Nobody may change them as long as the batch is not collected.</param>
    /// <param name="linger">How long to wait for what is pending: for a gateway, where all is.</param>
    /// <returns>Packed answers.</returns>
    /// <exception cref="FormatException">The request is damaged; some of its operations may have run.</exception>
    public ValueTask<byte[]> ExecuteAsync(byte[] request, TimeSpan linger)
    {
        var batch = Run(request);
        if ((batch.IsPending && linger > TimeSpan.Zero) || !executor.IsCommitted)
        {
            return FinishAsync(batch, linger);
        }

        var reply = batch.Reply();
        EndWhereFinished(batch);
        return ValueTask.FromResult(reply);
    }

    /// <summary>Gives the answers that have come since. Completes when there is one, or after <see cref="BatchServerOptions.CollectWait"/> with none.</summary>
    public async ValueTask<byte[]> CollectAsync(long batch)
    {
        ServerBatch? running;
        lock (gate)
        {
            if (batches.TryGetValue(batch, out running))
            {
                running.TouchedMs = NowMs;
            }
        }

        if (running is null)
        {
            return UnknownReply();
        }

        await running.CollectableAsync(options.CollectWait, time).ConfigureAwait(false);
        var taken = running.TakeLate();
        if (taken is not null && !executor.IsCommitted && !await TryCommitAsync().ConfigureAwait(false))
        {
            Fail(taken);
        }

        var reply = running.ReplyTo(taken);
        taken?.Dispose();
        EndWhereFinished(running);
        return reply;
    }

    /// <summary>Reads a piece of a large value that an answer named, up to <see cref="BatchLimits.PieceBytes"/>. Reading to the end lets go of it.</summary>
    /// <exception cref="KeyNotFoundException">No value waits under this number.</exception>
    public byte[] ReadLarge(long number, int offset) => exchange.Read(number, offset, NowMs);

    /// <summary>Takes a piece of a large value that a later set names. Where there is no room for it, that set will be answered <see cref="Outcome.OutOfMemory"/>.</summary>
    /// <param name="number">Its number, chosen by the caller: 63 random bits.</param>
    /// <param name="length">Length of the whole value in bytes.</param>
    /// <param name="offset">Where the piece begins.</param>
    /// <param name="piece">Up to <see cref="BatchLimits.PieceBytes"/>.</param>
    /// <exception cref="FormatException">The piece does not go on where the one before ended.</exception>
    public void WriteLarge(long number, int length, int offset, ReadOnlySpan<byte> piece)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(isDisposed, this);
        }

        exchange.Write(number, length, offset, piece, NowMs);
    }

    /// <summary>Lets go of all that is kept. What is still answered is dropped.</summary>
    public async ValueTask DisposeAsync()
    {
        ServerBatch[] left;
        lock (gate)
        {
            isDisposed = true;
            left = [.. batches.Values];
            batches.Clear();
        }

        await sweeping.DisposeAsync().ConfigureAwait(false);
        foreach (var batch in left)
        {
            batch.Abandon();
        }

        exchange.Sweep(long.MaxValue);
    }

    /// <summary>Gives a large value in an answer a number; 0 where too many wait to be read.</summary>
    internal long TryName(LargeValue large) => exchange.TryName(large, NowMs);

    /// <summary>Takes a large value that was written, with its reference; null where there was no room for it.</summary>
    /// <returns>False where none was written here to its end.</returns>
    internal bool TryTakeStaged(long number, out LargeValue? large) => exchange.TryTakeStaged(number, out large);

    /// <summary>Lets go of the large values that answers name which nobody will read.</summary>
    internal void Forget(AnswerBatchWriter answers)
    {
        for (var rest = answers.Answers; !rest.IsEmpty;)
        {
            rest = rest[PackedAnswer.Read(rest, out var answer)..];
            if (answer.LargeNumber != 0)
            {
                exchange.Forget(answer.LargeNumber);
            }
        }
    }

    /// <summary>Puts Unavailable in the place of all answers.</summary>
    internal void Fail(AnswerBatchWriter answers)
    {
        Forget(answers);
        var packed = answers.Answers.ToArray();
        answers.Clear();
        for (ReadOnlySpan<byte> rest = packed; !rest.IsEmpty;)
        {
            rest = rest[PackedAnswer.Read(rest, out var answer)..];
            if (answer.IsNotHere)
            {
                answers.TryAddNotHere(answer.Index);
            }
            else if (!answer.IsItem)
            {
                answers.TryAdd(answer.Index, new Answer(Outcome.Unavailable), default);
            }
        }
    }

    /// <summary>Lets go of what nobody has come for.</summary>
    internal void Sweep()
    {
        var until = NowMs - (long)options.KeepFor.TotalMilliseconds;
        List<ServerBatch> old;
        lock (gate)
        {
            old = [.. batches.Values.Where(batch => batch.TouchedMs <= until)];
            foreach (var batch in old)
            {
                batches.Remove(batch.Batch);
            }

            foreach (var number in voided.Where(pair => pair.Value <= until).Select(pair => pair.Key).ToList())
            {
                voided.Remove(number);
            }

            abandoned += old.Count;
        }

        foreach (var batch in old)
        {
            batch.Abandon();
        }

        var let = exchange.Sweep(until);
        lock (gate)
        {
            abandoned += let;
        }
    }

    private ServerBatch Run(byte[] request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var reader = new OperationBatchReader(request);
        foreach (var number in reader.Voided)
        {
            Void(number);
        }

        var batch = Register(request, ref reader, out var mayRun);
        if (mayRun)
        {
            try
            {
                batch.Run(executor);
            }
            catch
            {
                Abandon(batch);
                throw;
            }
        }

        return batch;
    }

    private ServerBatch Register(byte[] request, ref OperationBatchReader reader, out bool mayRun)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(isDisposed, this);
            if (batches.Count >= options.MaxBatches || batches.ContainsKey(reader.Batch))
            {
                throw new InvalidOperationException(batches.Count >= options.MaxBatches ? $"{batches.Count} batches have not been collected" : $"batch {reader.Batch:x} runs already");
            }

            var batch = idle.Count > 0 ? idle.Pop() : new ServerBatch(this);
            batch.Begin(request, ref reader);
            batch.TouchedMs = NowMs;
            batches.Add(batch.Batch, batch);
            mayRun = voided.Count == 0 || !voided.Remove(batch.Batch);
            if (!mayRun)
            {
                batch.Void(batch.Batch);
            }

            return batch;
        }
    }

    private void Void(long number)
    {
        ServerBatch? running;
        lock (gate)
        {
            if (!batches.TryGetValue(number, out running) && voided.Count < MaxVoidedKept)
            {
                voided[number] = NowMs;
            }
        }

        running?.Void(number);
    }

    private void Abandon(ServerBatch batch)
    {
        lock (gate)
        {
            batches.Remove(batch.Batch);
            abandoned++;
        }

        batch.Abandon();
    }

    private void EndWhereFinished(ServerBatch batch)
    {
        if (!batch.IsFinished)
        {
            return;
        }

        lock (gate)
        {
            if (!batches.Remove(batch.Batch, out var removed) || removed != batch)
            {
                return; // Somebody else has ended it.
            }

            if (idle.Count < MaxIdle && !isDisposed)
            {
                batch.Dispose();
                idle.Push(batch);
                return;
            }
        }

        batch.Dispose();
    }

    private async ValueTask<byte[]> FinishAsync(ServerBatch batch, TimeSpan linger)
    {
        if (linger > TimeSpan.Zero)
        {
            await batch.AnsweredAsync(linger, time).ConfigureAwait(false);
        }

        // Answers that came before the commit began; later ones are collected.
        batch.TakeIn();
        if (!executor.IsCommitted && !await TryCommitAsync().ConfigureAwait(false))
        {
            batch.Fail();
        }

        var reply = batch.Reply();
        EndWhereFinished(batch);
        return reply;
    }

    private async ValueTask<bool> TryCommitAsync()
    {
        try
        {
            await executor.CommitAsync().ConfigureAwait(false);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private byte[] UnknownReply()
    {
        using var none = new AnswerBatchWriter(OwnerUtf8.Length);
        return none.ToArray(OwnerUtf8, ReplyFlags.Unknown, 0, 0);
    }
}
