using Levee.Hosting;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;
using Levee.Tiers;

namespace Levee.CrashChild;

/// <summary>
/// Reads every key, while the tiers recover and afterwards; then does random operations until the process is killed, or stops cleanly where that is asked. Each key belongs to one thread, so that the order of what happens to it is known;
/// clears meet what other threads do.
/// </summary>
internal sealed class Load
{
    private const int RestMs = 2;
    private static readonly TimeSpan RecoveryPatience = TimeSpan.FromSeconds(20);

    private readonly ChildOptions options;
    private readonly LockHost host;
    private readonly TierChain chain;
    private readonly FrameWriter frames;
    private long lastOp;
    private volatile bool isComplete;
    private volatile bool isStopping;

    public Load(ChildOptions options, LockHost host, TierChain chain, FrameWriter frames)
    {
        (this.options, this.host, this.chain, this.frames) = (options, host, chain, frames);
        lastOp = options.FirstOp;
    }

    public void Run()
    {
        frames.Write(new Frame { Kind = FrameKind.Opened, Clock = host.Clock.Now, ClockAfter = chain.FloorMs });
        using (var worker = new Worker(this, 0))
        {
            worker.ReadAll();
            AwaitRecovery();
            worker.ReadAll();
            worker.ReadAll();
            worker.CountAll();
        }

        frames.Write(new Frame { Kind = FrameKind.Loading });
        var workers = Enumerable.Range(0, options.Threads).Select(thread => new Worker(this, thread)).ToArray();
        var running = workers.Select(worker => Task.Factory.StartNew(worker.Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        if (Task.WaitAny(running, options.StopAfterMs > 0 ? options.StopAfterMs : Timeout.Infinite) >= 0)
        {
            throw new InvalidOperationException("A thread has ended.", running.FirstOrDefault(task => task.IsFaulted)?.Exception);
        }

        isStopping = true;
        Task.WaitAll(running);
        Stop();
    }

    /// <summary>Says what is there, and stops as a server does. Where reading what is there has pushed something out for which a tier had no room, it reads again.</summary>
    private void Stop()
    {
        using (var worker = new Worker(this, 0))
        {
            long before;
            do
            {
                chain.DrainAsync(CancellationToken.None).GetAwaiter().GetResult();
                before = Drops();
                frames.Write(new Frame { Kind = FrameKind.Stopping });
                worker.ReadAll();
            }
            while (Drops() > before);
        }

        var taken = host.TakeDownAsync(null, CancellationToken.None).GetAwaiter().GetResult();
        if (taken.Lost > 0 || taken.Problem.Length > 0)
        {
            throw new InvalidOperationException($"A clean stop within the tiers' capacity lost something: {taken}");
        }

        if (chain.StopAsync(CancellationToken.None).GetAwaiter().GetResult() is [var problem, ..])
        {
            throw new InvalidOperationException(problem);
        }

        chain.DisposeAsync().AsTask().GetAwaiter().GetResult();
        host.DisposeAsync().AsTask().GetAwaiter().GetResult();
        frames.Write(new Frame { Kind = FrameKind.Stopped });
    }

    private long Drops() => chain.Tiers.Sum(tier => tier.GetStatistics().Drops);

    /// <summary>A tier that is not connected yet has not even begun to recover; so nothing but health will do.</summary>
    private void AwaitRecovery()
    {
        using var never = new ManualResetEventSlim();
        var until = Environment.TickCount64 + RecoveryPatience.TotalMilliseconds;
        while (chain.Tiers.Any(tier => tier.GetStatistics().Health != TierHealth.Healthy))
        {
            if (Environment.TickCount64 > until)
            {
                throw new TimeoutException($"The tiers have not recovered within {RecoveryPatience}: {string.Join(' ', chain.Tiers.Select(tier => tier.GetStatistics().Problem))}");
            }

            never.Wait(5);
        }

        isComplete = true;
        frames.Write(new Frame { Kind = FrameKind.Recovered });
    }

    private sealed class Worker(Load load, int thread) : IDisposable
    {
        private readonly ChildOptions options = load.options;
        private readonly LockHost host = load.host;
        private readonly ChildSink sink = new(load.options.Scale);
        private readonly Random chance = new((int)(load.options.Seed ^ ((ulong)thread * 7919)));
        private readonly ManualResetEventSlim never = new();
        private readonly ulong[] versions = new ulong[load.options.Keys];
        private byte[] buffer = new byte[256 << 10];

        public void ReadAll()
        {
            for (var key = 0; key < options.Keys; key++)
            {
                Read(key);
            }
        }

        public void CountAll()
        {
            var entries = 0L;
            for (var number = 0; number < host.PartitionCount + host.TierCount; number++)
            {
                sink.Expect(-1);
                host.Submit(new Operation { Kind = OperationKind.Statistics, Partition = number }, sink, 0);
                Await();
                entries += sink.Statistics!.AllEntries;
            }

            load.frames.Write(new Frame { Kind = FrameKind.Count, Value = entries });
        }

        public void Run()
        {
            for (var i = 1; !load.isStopping; i++)
            {
                Step();
                if (options.Burst > 0 && i % options.Burst == 0)
                {
                    never.Wait(RestMs);
                }
            }
        }

        public void Dispose()
        {
            sink.Dispose();
            never.Dispose();
        }

        private void Step()
        {
            var key = ChooseKey();
            if (chance.Next(options.ClearOneIn) == 0)
            {
                OverPartitions(Act.Clear, -1);
                return;
            }

            switch (chance.Next(1000))
            {
                case 0 when chance.Next(3) == 0:
                    OverPartitions(Act.RemoveByTag, ChooseTag());
                    break;
                case < 350:
                    Read(key);
                    break;
                case < 390:
                    Delete(key);
                    break;
                case < 520:
                    Expire(key);
                    break;
                case < 580 when !KeySpace.IsCounter(key):
                    Set(key, Act.SetIfAbsent);
                    break;
                case < 640 when !KeySpace.IsCounter(key):
                    Set(key, Act.SetIfVersion);
                    break;
                default:
                    if (KeySpace.IsCounter(key))
                    {
                        Increment(key);
                    }
                    else
                    {
                        Set(key, Act.Set);
                    }

                    break;
            }
        }

        /// <summary>A few hot keys, most of the others seldom, cold ones more seldom still.</summary>
        private int ChooseKey()
        {
            var own = options.Keys / options.Threads;
            while (true)
            {
                var place = chance.Next(4) == 0 ? chance.Next(16) : chance.Next(own);
                var key = (place * options.Threads) + thread;
                if (!KeySpace.IsCold(key) || chance.Next(6) == 0)
                {
                    return key;
                }
            }
        }

        private int ChooseTag() => (thread * KeySpace.TagsPerThread) + chance.Next(KeySpace.TagsPerThread);

        private long ChooseExpiry() => chance.Next(10) switch
        {
            < 7 => Limits.Never,
            < 8 => host.Clock.Now + 200 + chance.Next(3000),
            _ => host.Clock.Now + 10_000 + chance.Next(100_000),
        };

        private void Read(int key)
        {
            var name = KeySpace.Name(key);
            var frame = Begin(Act.Get, key, -1, 0, 0);
            (frame.Kind, frame.IsComplete) = (FrameKind.Read, load.isComplete);
            host.Submit(new Operation { Kind = OperationKind.Get, Key = name, Hash = KeyHash.Of(name) }, sink, 0);
            Await();
            versions[key] = sink.Version;
            Report(frame);
        }

        private void Delete(int key)
        {
            var name = KeySpace.Name(key);
            var frame = Begin(Act.Delete, key, -1, 0, 0);
            host.Submit(new Operation { Kind = OperationKind.Delete, Key = name, Hash = KeyHash.Of(name) }, sink, 0);
            End(frame);
        }

        private void Expire(int key)
        {
            var name = KeySpace.Name(key);
            var expiresAt = ChooseExpiry();
            var frame = Begin(Act.Expire, key, -1, 0, expiresAt);
            host.Submit(new Operation { Kind = OperationKind.Expire, Key = name, Hash = KeyHash.Of(name), ExpiresAt = expiresAt }, sink, 0);
            End(frame);
        }

        private void Increment(int key)
        {
            var name = KeySpace.Name(key);
            var op = Interlocked.Increment(ref load.lastOp);
            var by = KeySpace.Summand(op);
            var frame = Begin(Act.Increment, key, -1, by, 0, op);
            host.Submit(new Operation { Kind = OperationKind.Increment, Key = name, Hash = KeyHash.Of(name), Number = by }, sink, 0);
            End(frame);
        }

        private void Set(int key, Act act)
        {
            var name = KeySpace.Name(key);
            var op = Interlocked.Increment(ref load.lastOp);
            var length = KeySpace.ValueBytes(key, op, options.Scale);
            buffer = buffer.Length < length ? new byte[length] : buffer;
            var value = buffer.AsSpan(0, length);
            KeySpace.Fill(value, key, op);
            var tag = chance.Next(4) == 0 ? ChooseTag() : -1;
            Span<byte> packed = stackalloc byte[32];
            var tagLength = tag < 0 ? 0 : TagList.Write(packed, KeySpace.TagName(tag));
            var large = length > Limits.MaxInlineBytes ? CreateLarge(value) : null;
            if (length > Limits.MaxInlineBytes && large is null)
            {
                return;
            }

            var expiresAt = ChooseExpiry();
            var version = act == Act.SetIfVersion ? versions[key] : 0;
            var frame = Begin(act, key, tag, op, expiresAt, op, version);
            var operation = new Operation
            {
                Kind = OperationKind.Set,
                Key = name,
                Hash = KeyHash.Of(name),
                ExpiresAt = expiresAt,
                Tags = packed[..tagLength],
                Version = version,
                Condition = act switch { Act.SetIfAbsent => Condition.IfAbsent, Act.SetIfVersion => Condition.IfVersion, _ => Condition.None },
            };
            if (large is null)
            {
                operation.Value = value;
            }
            else
            {
                operation.Large = large;
            }

            host.Submit(operation, sink, 0);
            End(frame);
            if (sink.Outcome != Outcome.Stored)
            {
                large?.Release();
            }

            versions[key] = sink.Version;
        }

        private LargeValue? CreateLarge(ReadOnlySpan<byte> value)
        {
            var large = host.LargeValues.TryCreate(value);
            for (var attempt = 0; large is null && attempt < 16 && host.MaintainOnce(); attempt++)
            {
                large = host.LargeValues.TryCreate(value);
            }

            return large;
        }

        private void OverPartitions(Act act, int tag)
        {
            var name = tag < 0 ? [] : KeySpace.TagName(tag);
            var frame = Begin(act, -1, tag, 0, 0);
            var outcome = Outcome.Done;
            for (var partition = 0; partition < host.PartitionCount; partition++)
            {
                sink.Expect(-1);
                host.Submit(new Operation { Kind = act == Act.Clear ? OperationKind.Clear : OperationKind.RemoveByTag, Key = name, Partition = partition }, sink, 0);
                Await();
                outcome = sink.Outcome != Outcome.Done ? sink.Outcome : outcome;
            }

            frame.Outcome = outcome;
            frame.Kind = FrameKind.Ack;
            Commit(ref frame);
            load.frames.Write(frame);
        }

        private Frame Begin(Act act, int key, int tag, long value, long expiresAt, long op = 0, ulong version = 0)
        {
            sink.Expect(key);
            var machine = MachineMs();
            var clock = host.Clock.Now;
            var frame = new Frame
            {
                Kind = FrameKind.Begin,
                Act = act,
                Key = key,
                Tag = (short)tag,
                Op = op == 0 ? Interlocked.Increment(ref load.lastOp) : op,
                Value = value,
                Version = version,
                ExpiresAt = expiresAt,
                Clock = clock,
                BehindMs = (int)(machine - clock),
            };
            load.frames.Write(frame);
            return frame;
        }

        private void End(Frame frame)
        {
            Await();
            frame.Kind = FrameKind.Ack;
            Report(frame);
        }

        private void Report(Frame frame)
        {
            (frame.Outcome, frame.Version, frame.ExpiresAt, frame.Value) = (sink.Outcome, sink.Version, sink.ExpiresAt, sink.Value);
            if (frame.Act == Act.Increment)
            {
                frame.Value = sink.Number;
            }

            Commit(ref frame);
            if (sink.Damage is { } damage)
            {
                load.frames.Write(FrameKind.Corrupt, damage);
            }

            load.frames.Write(frame);
        }

        /// <summary>As a front door does: nothing leaves before it is as durable as was asked.</summary>
        private void Commit(ref Frame frame)
        {
            if (!host.IsCommitted)
            {
                try
                {
                    host.CommitAsync().AsTask().GetAwaiter().GetResult();
                }
                catch (IOException)
                {
                    frame.Outcome = Outcome.Unavailable;
                }
            }

            frame.ClockAfter = host.Clock.Now;
            frame.BehindMs = (int)(MachineMs() - frame.ClockAfter);
        }

        /// <summary>The machine's clock, which is not what the cache is told where it is said to be set back.</summary>
        private static long MachineMs() => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

        private void Await()
        {
            if (!sink.Wait())
            {
                throw new TimeoutException("An operation was not answered.");
            }
        }
    }
}
