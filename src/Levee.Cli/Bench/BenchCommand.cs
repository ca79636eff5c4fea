using System.CommandLine.Parsing;
using System.CommandLine;
using System.Globalization;
using Levee.Cli.Client;
using Levee.Cli.Replay;
using Levee.Serving;

namespace Levee.Cli.Bench;

/// <summary><c>levee bench</c>: drives a RESP server and reports throughput, hit ratio and latencies.</summary>
internal static class BenchCommand
{
    private const int MaxValueBytes = 64 * 1024 * 1024;
    private const int StandardConnections = 50;
    private const int StandardThreads = 1;

    /// <summary>The command, to be added to the root.</summary>
    public static Command Create()
    {
        var operation = new Option<string>("--op") { Description = "What to do.", DefaultValueFactory = static _ => "mixed", HelpName = "get|set|mixed" };
        operation.AcceptOnlyFromAmong("get", "set", "mixed");
        var readShare = Number("--read-share", "The share of reads in mixed.", 0.9, 0, 1);
        var keys = Whole("--keys", "How many keys there are.", 100_000, 1, int.MaxValue);
        var distribution = new Option<KeyDistribution>("--distribution")
        {
            Description = $"Which keys are asked for: {KeyDistribution.Allowed}.",
            HelpName = "shape",
            DefaultValueFactory = static _ => KeyDistribution.Uniform,
            CustomParser = static result => Parse<KeyDistribution>(result, KeyDistribution.TryParse, KeyDistribution.Allowed),
        };
        var valueSize = new Option<ValueSizes>("--value-size")
        {
            Description = "The values' size in bytes, or a range: 100, or 100-1000.",
            HelpName = "bytes",
            DefaultValueFactory = static _ => new ValueSizes(100, 100),
            CustomParser = static result => Parse<ValueSizes>(result, TryParseSizes, $"a size from 0 to {MaxValueBytes}, or two with a dash between"),
        };
        var connections = Whole("--connections", "How many connections.", StandardConnections, 1, 10_000);
        var pipeline = Whole("--pipeline", "How many operations a connection has under way at most.", 16, 1, 10_000);
        var threads = Whole("--threads", "How many threads drive the connections.", StandardThreads, 1, 256);
        var rate = Number(
            "--rate",
            "Operations per second in all; 0 sends as fast as replies come. With a rate, latency counts from when an operation was due, not from when it could be sent: a server that stalls cannot hide "
            + "the operations it held up (no coordinated omission). Without one it counts from the send.",
            0,
            0,
            1e9);
        var duration = Time("--duration", "How long to measure.", TimeSpan.FromSeconds(10));
        var warmup = Time("--warmup", "How long to run before measuring; 0 for not at all.", TimeSpan.FromSeconds(2));
        var preload = new Option<bool>("--preload") { Description = "Write every key once before." };
        var once = new Option<bool>("--once") { Description = "Walk the trace of --distribution once, in its order, instead of for --duration; with one thread and without --warmup." };
        var blocks = TraceReader.BlocksOption();
        var fill = new Option<bool>("--fill") { Description = "Follow each read that misses with a write of its key, as an application fills its cache." };
        var seed = Whole("--seed", "Where chance starts; the same seed gives the same requests.", 1, 0, int.MaxValue);
        var json = new Option<bool>("--json") { Description = "Print a JSON object." };
        var command = new Command("bench", "Drive a RESP server, ours or any other, and print throughput, hit ratio and latencies.")
        {
            operation, readShare, keys, distribution, valueSize, connections, pipeline, threads, rate, duration, warmup, once, blocks, preload, fill, seed, json,
        };
        var server = new ServerOptions(command);
        command.Validators.Add(result =>
        {
            var isReadable = result.Children.All(static child => !child.Errors.Any());
            var threadCount = Given(result, threads, StandardThreads);
            var connectionCount = Given(result, connections, StandardConnections);
            if (isReadable && threadCount > connectionCount)
            {
                result.AddError($"--threads: {threadCount} threads for {connectionCount} connections; allowed is at most one thread per connection.");
            }
        });
        command.Validators.Add(result =>
        {
            if (!result.Children.All(static child => !child.Errors.Any()) || !result.GetValue(once))
            {
                return;
            }

            if (result.GetValue(distribution)?.TraceFile is null)
            {
                result.AddError("--once: there is no trace; name one with --distribution trace:FILE.");
            }

            if (Given(result, threads, StandardThreads) > 1)
            {
                result.AddError("--once: several threads do not keep the order of the trace; use --threads 1.");
            }

            if (result.GetResult(rate) is { Implicit: false })
            {
                result.AddError("--once: cannot be combined with --rate.");
            }
        });
        command.SetAction(async (parsed, cancellation) =>
        {
            var shape = parsed.GetValue(distribution)!;
            var options = new BenchOptions
            {
                Host = server.Host(parsed),
                Port = server.Port(parsed),
                User = server.User(parsed),
                Password = server.Password(parsed),
                ReadShare = parsed.GetValue(operation) switch { "get" => 1, "set" => 0, _ => parsed.GetValue(readShare) },
                Keys = parsed.GetValue(keys),
                Distribution = shape,
                TraceKeys = shape.TraceFile is { } file ? TraceReader.Read(file, null, parsed.GetValue(blocks), cancellation: cancellation).Keys : default,
                IsOnce = parsed.GetValue(once),
                MinValueBytes = parsed.GetValue(valueSize).Min,
                MaxValueBytes = parsed.GetValue(valueSize).Max,
                Connections = parsed.GetValue(connections),
                Pipeline = parsed.GetValue(pipeline),
                Threads = parsed.GetValue(threads),
                Rate = parsed.GetValue(rate),
                Duration = parsed.GetValue(duration),
                Warmup = parsed.GetValue(warmup),
                IsPreloading = parsed.GetValue(preload),
                FillsMisses = parsed.GetValue(fill),
                Seed = parsed.GetValue(seed),
            };
            var result = await BenchRun.RunAsync(options, Console.IsErrorRedirected ? null : Console.Error, cancellation);
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json))
            {
                result.WriteJson(output);
            }
            else
            {
                result.WriteText(output, options);
            }

            return result.Errors == 0 ? ExitCode.Ok : throw new CommandException($"{result.Errors} operations were refused, the first: {result.FirstError}");
        });
        return command;
    }

    // Validators run before defaults are filled in.
    private static int Given(CommandResult result, Option<int> option, int standard) => result.GetResult(option) is { Implicit: false } ? result.GetValue(option) : standard;

    private delegate bool Parser<T>(string text, out T value);

    private static Option<int> Whole(string name, string description, int standard, int min, int max) => new(name)
    {
        Description = description,
        HelpName = "number",
        DefaultValueFactory = _ => standard,
        CustomParser = result => Parse(
            result,
            (string text, out int value) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= min && value <= max,
            $"a whole number from {min} to {max}"),
    };

    private static Option<double> Number(string name, string description, double standard, double min, double max) => new(name)
    {
        Description = description,
        HelpName = "number",
        DefaultValueFactory = _ => standard,
        CustomParser = result => Parse(
            result,
            (string text, out double value) => double.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out value) && value >= min && value <= max,
            $"a number from {min} to {max.ToString(CultureInfo.InvariantCulture)}"),
    };

    private static Option<TimeSpan> Time(string name, string description, TimeSpan standard) => new(name)
    {
        Description = description,
        HelpName = "duration",
        DefaultValueFactory = _ => standard,
        CustomParser = result => Parse(
            result,
            (string text, out TimeSpan value) =>
            {
                value = default;
                return (text == "0" && name == "--warmup") || (Duration.TryParse(text, out value) && value <= TimeSpan.FromDays(1));
            },
            name == "--warmup" ? "0 or a duration of at most 1d: 500ms, 10s, 5m" : "a duration of at most 1d: 500ms, 10s, 5m"),
    };

    private static T? Parse<T>(ArgumentResult result, Parser<T> parse, string allowed)
    {
        var text = result.Tokens[0].Value;
        if (parse(text, out var value))
        {
            return value;
        }

        result.AddError($"{(result.Parent as OptionResult)?.Option.Name}: '{text}' is not allowed; allowed is {allowed}.");
        return default;
    }

    private static bool TryParseSizes(string text, out ValueSizes sizes)
    {
        var parts = text.Split('-');
        sizes = default;
        if (parts.Length > 2 || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var min)
            || !int.TryParse(parts[^1], NumberStyles.None, CultureInfo.InvariantCulture, out var max))
        {
            return false;
        }

        sizes = new ValueSizes(min, max);
        return min <= max && max <= MaxValueBytes;
    }
}
