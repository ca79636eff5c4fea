using System.CommandLine.Parsing;
using System.CommandLine;
using Levee.Learning;
using Levee.Serving;
using Spectre.Console;

namespace Levee.Cli.Replay;

/// <summary><c>levee replay</c>: what hit ratio the eviction policies would have on a trace.</summary>
internal static class ReplayCommand
{
    /// <summary>The command, to be added to the root.</summary>
    public static Command Create()
    {
        var files = new Argument<string[]>("files")
        {
            Description = "Traces, plain or gzip: lines of 'key', 'key size' (.sized.txt), or 'start count x x' (.lis, each line counts as its blocks).",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var policies = new Option<string[]>("--policy")
        {
            Description = $"Policies, separated by commas: {string.Join(", ", ReplayRun.PolicyNames)} (the clairvoyant bound).",
            CustomParser = result => List<string>(result, TryParsePolicy, $"one of {string.Join(", ", ReplayRun.PolicyNames)}"),
            DefaultValueFactory = _ => ["arc", "lru"],
            HelpName = "names",
        };
        var entries = new Option<long[]>("--entries")
        {
            Description = $"Capacities in entries, separated by commas.",
            CustomParser = result => List<long>(result, TryParseEntries, $"a number of entries from 1 to {int.MaxValue}"),
            DefaultValueFactory = _ => [1000, 2000, 5000, 10000, 15000],
            HelpName = "counts",
        };
        var bytes = new Option<long[]>("--bytes")
        {
            Description = "Capacities in bytes instead, separated by commas, with kb, mb or gb; needs a trace with sizes.",
            CustomParser = result => List<long>(result, TryParseBytes, $"{ByteSize.Allowed}, at least 1"),
            HelpName = "sizes",
        };
        var blocks = TraceReader.BlocksOption();
        var json = new Option<bool>("--json") { Description = "Print a JSON array instead of tables." };
        var prefetch = new Option<bool>("--prefetch") { Description = "Simulate prefetching too: keys that end in numbers keep them, so that user:42 and user:43 are neighbours. In entries." };
        var latency = new Option<int>("--load-latency")
        {
            Description = "How many accesses a load takes, 0 to 1000000.",
            HelpName = "accesses",
            DefaultValueFactory = _ => 4,
        };
        var source = new Option<string>("--load-from")
        {
            Description = "What can be loaded: tiers (what was requested before) or origin (every key).",
            HelpName = "tiers|origin",
            DefaultValueFactory = _ => Tiers,
        };
        source.AcceptOnlyFromAmong(Tiers, Origin);
        var demo = new Option<bool>("--demo") { Description = "Replay a generated trace: a Zipf working set, scans and a loop." };
        var command = new Command("replay", "Replay traces through the eviction policies that the server runs, and print their hit ratios.")
        {
            files, policies, entries, bytes, blocks, prefetch, latency, source, json, demo,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(files) is not { Length: > 0 } && !result.GetValue(demo))
            {
                result.AddError("replay: name at least one trace file, or use --demo.");
            }

            if (result.GetResult(entries) is { Implicit: false } && result.GetResult(bytes) is not null)
            {
                result.AddError("--entries and --bytes: use one of both.");
            }

            if (result.GetValue(prefetch) && result.GetResult(bytes) is not null)
            {
                result.AddError("--prefetch and --bytes: prefetching is simulated in entries; use --entries.");
            }

            if (result.GetValue(prefetch) && result.GetValue(policies)?.Contains(ReplayRun.Optimal) == true)
            {
                result.AddError("--prefetch cannot be combined with --policy opt, which knows the future already.");
            }

            if (result.GetResult(latency) is { Implicit: false, Tokens: [var token] } && (!int.TryParse(token.Value, out var accesses) || accesses is < 0 or > 1_000_000))
            {
                result.AddError($"--load-latency: '{token.Value}' is not allowed; allowed is 0 to 1000000.");
            }

            if (result.GetResult(bytes) is not null && result.GetValue(policies)?.Contains(ReplayRun.Optimal) == true)
            {
                result.AddError($"--policy opt cannot be combined with --bytes: {OptimalSimulation.NoBytes}.");
            }
        });
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                var unit = parsed.GetResult(bytes) is null ? CapacityUnit.Entries : CapacityUnit.Bytes;
                var prefetching = !parsed.GetValue(prefetch) ? null : new PrefetchSimulationOptions
                {
                    Capacity = 1,
                    LoadAccesses = parsed.GetValue(latency),
                    Source = parsed.GetValue(source) == Origin ? PrefetchSource.Everything : PrefetchSource.SeenBefore,
                };
                var run = new ReplayRun(parsed.GetValue(policies)!, parsed.GetValue(unit == CapacityUnit.Bytes ? bytes : entries)!, unit, prefetching);
                var reading = (Blocks: parsed.GetValue(blocks), KeepsNumbers: prefetching is not null);
                var results = WithProgress(bar => Replay(run, parsed.GetValue(files)!, reading, parsed.GetValue(demo), unit, bar, cancellation));
                var output = parsed.InvocationConfiguration.Output;
                if (parsed.GetValue(json))
                {
                    ReplayReport.WriteJson(output, results);
                }
                else
                {
                    ReplayReport.WriteTables(output, results, unit);
                }

                return ExitCode.Ok;
            },
            cancellation));
        return command;
    }

    private const string Tiers = "tiers";
    private const string Origin = "origin";

    private delegate bool Parser<T>(string text, out T value);

    private static List<ReplayResult> Replay(ReplayRun run, string[] files, (BlockCount Blocks, bool KeepsNumbers) reading, bool demo, CapacityUnit unit, ProgressContext? bar, CancellationToken cancellation)
    {
        List<ReplayResult> results = [];
        if (demo)
        {
            results.AddRange(run.Replay(DemoTrace.Create(), Step(bar, "demo", run.Passes), cancellation));
        }

        foreach (var file in files)
        {
            var name = Path.GetFileName(file);
            var trace = TraceReader.Read(file, Step(bar, $"reading {name}", 1), reading.Blocks, reading.KeepsNumbers, cancellation);
            if (unit == CapacityUnit.Bytes && !trace.HasSizes)
            {
                throw new CommandException($"{file}: --bytes needs a trace with sizes, lines of 'key size'; use --entries");
            }

            results.AddRange(run.Replay(trace, Step(bar, name, run.Passes), cancellation));
        }

        return results;
    }

    /// <summary>Shows progress on standard error where that is a terminal; a log has no use for it.</summary>
    private static List<ReplayResult> WithProgress(Func<ProgressContext?, List<ReplayResult>> work)
    {
        if (Console.IsErrorRedirected)
        {
            return work(null);
        }

        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress().AutoClear(true).Start(work);
    }

    private static StepProgress? Step(ProgressContext? bar, string what, double length) =>
        bar is null ? null : new StepProgress(bar.AddTask(Markup.Escape(what), maxValue: length));

    private static T[] List<T>(ArgumentResult result, Parser<T> parse, string allowed)
    {
        var option = (result.Parent as OptionResult)?.Option.Name;
        List<T> values = [];
        foreach (var token in result.Tokens)
        {
            foreach (var text in token.Value.Split(',', StringSplitOptions.TrimEntries))
            {
                if (!parse(text, out var value))
                {
                    result.AddError($"{option}: '{text}' is not allowed; allowed is {allowed}, or several, separated by commas.");
                    return [];
                }

                if (!values.Contains(value))
                {
                    values.Add(value);
                }
            }
        }

        return [.. values];
    }

    private static bool TryParsePolicy(string text, out string policy)
    {
        policy = text.ToLowerInvariant();
        return ReplayRun.PolicyNames.Contains(policy);
    }

    private static bool TryParseEntries(string text, out long entries) => long.TryParse(text, out entries) && entries is >= 1 and <= int.MaxValue;

    private static bool TryParseBytes(string text, out long bytes) => ByteSize.TryParse(text, out bytes) && bytes >= 1;

    private sealed class StepProgress(ProgressTask task) : IProgress<double>
    {
        public void Report(double value) => task.Value = value;
    }
}
