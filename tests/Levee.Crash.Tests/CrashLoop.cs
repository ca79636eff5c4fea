using System.Diagnostics;
using System.Runtime.InteropServices;
using Levee.CrashChild;
using Xunit;

namespace Levee.Crash.Tests;

/// <summary>Starts the child on one folder, kills it, and starts it again; what it says goes to the checker.</summary>
internal sealed class CrashLoop : IDisposable
{
    private const int SigKillExit = 137;
    private static readonly TimeSpan LongestRun = TimeSpan.FromSeconds(25);

    private readonly ChildOptions options;
    private readonly Random chance;
    private readonly DirectoryInfo folder;
    private readonly List<string> errors = [];

    public CrashLoop(ChildOptions options, int seed, bool losesClock = false, bool tiersExpire = false)
    {
        folder = Directory.CreateTempSubdirectory("levee-crash-");
        this.options = options with { Folder = folder.FullName };
        Seed = seed;
        chance = new Random(seed);
        Checker = new Checker(options.Keys, options.WritesThrough) { LosesClock = losesClock, TiersExpire = tiersExpire };
    }

    public int Seed { get; }

    public string Folder => folder.FullName;

    public Checker Checker { get; }

    public int Kills { get; private set; }

    /// <summary>Lives that ended by a clean stop.</summary>
    public int Stops { get; private set; }

    /// <summary>How many kills fell into each kind of work, as failpoints have told.</summary>
    public SortedDictionary<string, int> KillsAt { get; } = [];

    /// <summary>One life of the child: it is killed after a while of load, in its recovery, or where a failpoint says.</summary>
    public Task RunAsync(string failpoint, int failpointCount, int clockBackMs, Func<Task>? during, CancellationToken cancellation) =>
        RunAsync(failpoint, failpointCount, clockBackMs, 0, during, cancellation);

    /// <summary>One life of the child that ends by a clean stop.</summary>
    public Task StopAsync(CancellationToken cancellation) => RunAsync("", 1, 0, chance.Next(20, 600), null, cancellation);

    private async Task RunAsync(string failpoint, int failpointCount, int clockBackMs, int stopAfterMs, Func<Task>? during, CancellationToken cancellation)
    {
        var isStop = stopAfterMs > 0;
        var life = options with
        {
            StopAfterMs = stopAfterMs,
            Seed = (ulong)chance.NextInt64(),
            FirstOp = Checker.LastOp + 1,
            Failpoint = failpoint,
            FailpointCount = failpointCount,
            ClockBackMs = clockBackMs,
        };
        var isBrief = failpoint.Length == 0 && chance.Next(4) == 0;
        var loadMs = failpoint.Length > 0 ? 1500 : chance.Next(20, 500);
        using var child = Start(life);
        errors.Clear();
        child.ErrorDataReceived += (_, line) =>
        {
            lock (errors)
            {
                errors.Add(line.Data ?? "");
            }
        };
        child.BeginErrorReadLine();
        var last = default(FrameKind);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(LongestRun);

        // A read of a pipe does not always end when it is cancelled; it does when nobody can write any more.
        await using var ending = limit.Token.Register(child.Kill);
        var killing = Task.CompletedTask;
        try
        {
            await ReadAsync(
                child.StandardOutput.BaseStream,
                kind =>
                {
                    last = kind;
                    if (!isStop && kind == (isBrief ? FrameKind.Opened : FrameKind.Loading))
                    {
                        killing = KillAsync(child, isBrief ? chance.Next(60) : loadMs, isBrief ? null : during, limit.Token);
                    }
                },
                limit.Token);
            await killing;
            await child.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // Said below.
        }
        finally
        {
            if (!child.HasExited)
            {
                child.Kill();
            }
        }

        await child.WaitForExitAsync(cancellation);
        Checker.EndRun();
        if (limit.IsCancellationRequested)
        {
            Checker.Violations.Add($"life {Kills + 1} did not come to its end within {LongestRun}; the last it said was {last}");
        }

        if (child.ExitCode != (isStop ? 0 : SigKillExit))
        {
            Checker.Violations.Add($"the child ended by itself with code {child.ExitCode}");
        }

        Kills += isStop ? 0 : 1;
        Stops += isStop ? 1 : 0;
    }

    /// <summary>What the last child has logged.</summary>
    public string Errors()
    {
        lock (errors)
        {
            return string.Join('\n', errors.TakeLast(30));
        }
    }

    public void Report(ITestOutputHelper output)
    {
        output.WriteLine($"seed {Seed}: {Kills} kills, {Stops} clean stops with {Checker.KeptReads} reads of what they kept; {Checker.Acknowledged} acknowledged, {Checker.Reads} reads, {Checker.CompleteReads} of them complete, {Checker.Hits} hits, {Checker.UnknownShown} shown that nobody had acknowledged");
        output.WriteLine("kills at: " + string.Join(", ", KillsAt.Select(kind => $"{kind.Key} {kind.Value}")));
        output.WriteLine($"the cache's clock was at most {Checker.MostAheadMs} ms ahead");
        output.WriteLine($"entries counted: {string.Join(' ', Checker.Counts.TakeLast(12))}");
    }

    public void Dispose() => folder.Delete(recursive: true);

    private static async Task KillAsync(Process child, int afterMs, Func<Task>? during, CancellationToken cancellation)
    {
        await Task.Delay(afterMs, cancellation);
        if (during is not null)
        {
            await during();
        }

        if (!child.HasExited)
        {
            child.Kill();
        }
    }

    private static Process Start(ChildOptions life)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Levee.CrashChild.dll"), .. life.ToArguments()])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["DOTNET_TieredPGO"] = "0";
        return Process.Start(start)!;
    }

    private async Task ReadAsync(Stream pipe, Action<FrameKind> seen, CancellationToken cancellation)
    {
        var bytes = new byte[64 << 10];
        var filled = 0;
        while (true)
        {
            var count = await pipe.ReadAsync(bytes.AsMemory(filled), cancellation);
            if (count == 0)
            {
                return;
            }

            filled += count;
            var taken = Take(bytes.AsSpan(0, filled), seen);
            bytes.AsSpan(taken, filled - taken).CopyTo(bytes);
            filled -= taken;
        }
    }

    /// <returns>How many bytes were whole frames.</returns>
    private int Take(ReadOnlySpan<byte> bytes, Action<FrameKind> seen)
    {
        var taken = 0;
        while (bytes.Length - taken >= Frame.Bytes)
        {
            var frame = MemoryMarshal.Read<Frame>(bytes[taken..]);
            if (bytes.Length - taken < Frame.Bytes + frame.TextLength)
            {
                break;
            }

            var text = System.Text.Encoding.UTF8.GetString(bytes.Slice(taken + Frame.Bytes, frame.TextLength));
            taken += Frame.Bytes + frame.TextLength;
            if (frame.Kind == FrameKind.Failpoint)
            {
                var kind = text[..text.IndexOf(':', StringComparison.Ordinal)];
                KillsAt[kind] = KillsAt.GetValueOrDefault(kind) + 1;
                KillsAt[text] = KillsAt.GetValueOrDefault(text) + 1;
            }

            Checker.Take(frame, text);
            seen(frame.Kind);
        }

        return taken;
    }
}
