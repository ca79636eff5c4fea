using System.Runtime.InteropServices;
using System.Text;
using Xunit;
using Outcome = Levee.Resp.Tests.LiteralRequestReader.Outcome;

namespace Levee.Resp.Tests;

public sealed class CommandParserTests
{
    private const int LargeThreshold = 2000;
    private const int MaxBulk = 50_000;
    private const int MaxCommandBytes = 20_000;

    [Theory]
    [InlineData("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n", "SET|k|hello")]
    [InlineData("*1\r\n$4\r\nPING\r\n", "PING")]
    [InlineData("*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "GET|")]
    [InlineData("PING\r\n", "PING")]
    [InlineData("  set  a\tb \n", "set|a|b")]
    [InlineData("set k \"a b\\n\\x41\\\"\" 'it\\'s'\r\n", "set|k|a b\nA\"|it's")]
    [InlineData("set k x\"y z\"\r\n", "set|k|xy z")]
    [InlineData("get \"\"\r\n", "get|")]
    public void A_command_is_found_in_place(string text, string expected)
    {
        var input = Encoding.Latin1.GetBytes(text + "PING\r\n");
        var parser = NewParser();
        Assert.Equal(CommandStatus.Complete, parser.Parse(input));
        Assert.Equal(text.Length, parser.ConsumedBytes);
        Assert.Equal(expected, string.Join('|', Arguments(parser, input).Select(Encoding.Latin1.GetString)));
    }

    [Theory]
    [InlineData("\r\n")]
    [InlineData("\n")]
    [InlineData("   \r\n")]
    [InlineData("*0\r\n")]
    [InlineData("*-1\r\n")]
    [InlineData("*-10\r\n")]
    public void An_empty_command_completes_without_arguments(string text)
    {
        var parser = NewParser();
        Assert.Equal(CommandStatus.Complete, parser.Parse(Encoding.Latin1.GetBytes(text)));
        Assert.Equal(text.Length, parser.ConsumedBytes);
        Assert.Equal(0, parser.Count);
    }

    [Theory]
    [InlineData("*x\r\n", "Protocol error: invalid multibulk length")]
    [InlineData("*\r\n", "Protocol error: invalid multibulk length")]
    [InlineData("*03\r\n", "Protocol error: invalid multibulk length")]
    [InlineData("*1048577\r\n", "Protocol error: invalid multibulk length")]
    [InlineData("*99999999999999999999999\r\n", "Protocol error: invalid multibulk length")]
    [InlineData("*11111111111111111111111111111111111", "Protocol error: invalid multibulk length")]
    [InlineData("*1\rx", "Protocol error: invalid multibulk length")]
    [InlineData("*1\r\nxPING", "Protocol error: expected '$', got 'x'")]
    [InlineData("*1\r\n\u0001", "Protocol error: expected '$', got '\\x01'")]
    [InlineData("*2\r\n$3\r\nGET\r\n:3\r\n", "Protocol error: expected '$', got ':'")]
    [InlineData("*1\r\n$-1\r\n", "Protocol error: invalid bulk length")]
    [InlineData("*1\r\n$01\r\nx\r\n", "Protocol error: invalid bulk length")]
    [InlineData("*1\r\n$50001\r\n", "Protocol error: invalid bulk length")]
    [InlineData("*1\r\n$4294967297\r\n", "Protocol error: invalid bulk length")]
    [InlineData("*1\r\n$3\r\nGETxx", "Protocol error: expected CRLF after bulk string")]
    [InlineData("set \"a\r\n", "Protocol error: unbalanced quotes in request")]
    [InlineData("set \"a\"b\r\n", "Protocol error: unbalanced quotes in request")]
    [InlineData("set 'a\r\n", "Protocol error: unbalanced quotes in request")]
    public void A_refusal_is_spelled_as_Redis_spells_it(string text, string error)
    {
        var parser = NewParser();
        Assert.Equal(CommandStatus.Invalid, parser.Parse(Encoding.Latin1.GetBytes(text)));
        Assert.Equal(error, parser.Error);
        Assert.Equal(0, parser.Count);
    }

    [Fact]
    public void An_inline_line_without_an_end_is_refused_above_its_limit()
    {
        var parser = NewParser();
        var input = new byte[(64 * 1024) + 1];
        input.AsSpan().Fill((byte)'a');
        Assert.Equal(CommandStatus.Incomplete, parser.Parse(input.AsSpan(0, 64 * 1024)));
        Assert.Equal(CommandStatus.Invalid, parser.Parse(input));
        Assert.Equal("Protocol error: too big inline request", parser.Error);
    }

    [Fact]
    public void A_command_is_refused_above_its_limit_however_it_arrives()
    {
        var input = Multibulk([.. Enumerable.Range(0, 30).Select(static _ => new byte[900])]);
        Assert.True(input.Length > MaxCommandBytes);
        var whole = NewParser();
        Assert.Equal(CommandStatus.Invalid, whole.Parse(input));
        Assert.Equal($"Protocol error: command exceeds {MaxCommandBytes} bytes", whole.Error);
        var split = NewParser();
        var length = 0;
        while (split.Parse(input.AsSpan(0, length)) == CommandStatus.Incomplete)
        {
            length++;
        }

        Assert.Equal(whole.Error, split.Error);
        Assert.InRange(length, 1, MaxCommandBytes);
    }

    [Fact]
    public void A_long_argument_is_reported_with_what_came_before_it()
    {
        var input = Encoding.Latin1.GetBytes("*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$2001\r\n" + new string('v', 500));
        var parser = NewParser();
        Assert.Equal(CommandStatus.Large, parser.Parse(input));
        Assert.Equal((2001, 3, 2), (parser.LargeLength, parser.RemainingArguments, parser.Count));
        Assert.Equal((byte)'v', input[parser.ConsumedBytes]);
        Assert.Equal("k"u8, parser.Argument(input, 1));
        Assert.Equal(CommandStatus.Complete, parser.Parse("PING\r\n"u8));
    }

    [Fact]
    public void An_unauthenticated_sender_gets_short_commands_only()
    {
        var parser = new CommandParser(20_000, 50_000, 60_000) { IsUnauthenticated = true };
        Assert.Equal(CommandStatus.Invalid, parser.Parse("*11\r\n"u8));
        Assert.Equal("Protocol error: unauthenticated multibulk length", parser.Error);
        Assert.Equal(CommandStatus.Invalid, parser.Parse("*2\r\n$16385\r\n"u8));
        Assert.Equal("Protocol error: unauthenticated bulk length", parser.Error);
        Assert.Equal(CommandStatus.Complete, parser.Parse("*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n"u8));
        parser.IsUnauthenticated = false;
        Assert.Equal(CommandStatus.Incomplete, parser.Parse("*11\r\n$16385\r\n"u8));
    }

    [Fact]
    public void Every_split_of_a_pipeline_gives_the_same_commands()
    {
        List<byte[]> commands =
        [
            Multibulk("SET"u8.ToArray(), "key"u8.ToArray(), new byte[100]),
            "PING\r\n"u8.ToArray(),
            Multibulk([.. Enumerable.Range(0, 25).Select(static index => new byte[index])]),
            "*0\r\n"u8.ToArray(),
            "set k \"a \\x00 b\" 'c'\r\n"u8.ToArray(),
            Multibulk("GET"u8.ToArray(), []),
            "\r\n"u8.ToArray(),
            Multibulk("SET"u8.ToArray(), "key"u8.ToArray(), new byte[1999]),
        ];
        byte[] input = [.. commands.SelectMany(static command => command)];
        for (var split = 0; split <= input.Length; split++)
        {
            var parser = NewParser();
            var start = 0;
            var found = 0;
            foreach (var available in (int[])[split, input.Length])
            {
                while (parser.Parse(input.AsSpan(start, available - start)) == CommandStatus.Complete)
                {
                    var expected = LiteralRequestReader.Read(commands[found], LargeThreshold, MaxBulk, MaxCommandBytes);
                    Assert.Equal(expected.Arguments, Arguments(parser, input[start..available]));
                    start += parser.ConsumedBytes;
                    found++;
                }
            }

            Assert.Equal((input.Length, commands.Count), (start, found));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_input_in_random_pieces_reads_as_the_literal_reading(int seed)
    {
        var random = new Random(seed);
        var outcomes = new int[4];
        for (var round = 0; round < 6_000; round++)
        {
            var input = RandomInput(random);
            var expected = LiteralRequestReader.Read(input, LargeThreshold, MaxBulk, MaxCommandBytes);
            var parser = NewParser();
            var status = CommandStatus.Incomplete;
            var length = 0;
            while (status == CommandStatus.Incomplete && length < input.Length)
            {
                length = Math.Min(input.Length, length + (random.Next(4) == 0 ? input.Length : random.Next(1, 40)));

                // An array of exactly these bytes: reading behind them would be a guard's hit or garbage.
                status = parser.Parse(input.AsSpan(0, length).ToArray());
                if (status == CommandStatus.Incomplete)
                {
                    Assert.True(parser.NeededBytes > length, $"seed {seed} round {round}");
                }
            }

            Assert.True((int)expected.Outcome == (int)status, $"seed {seed} round {round}: {expected.Outcome}, {status} {parser.Error}: {Encoding.Latin1.GetString(input)}");
            outcomes[(int)status]++;
            if (status is CommandStatus.Complete or CommandStatus.Large)
            {
                Assert.Equal(expected.Arguments, Arguments(parser, input[..length]));
                Assert.Equal(expected.Consumed, parser.ConsumedBytes);
            }

            if (status == CommandStatus.Large)
            {
                Assert.Equal((expected.LargeLength, expected.Remaining), (parser.LargeLength, parser.RemainingArguments));
            }
        }

        Assert.All(outcomes, static count => Assert.True(count > 100, $"the generator reached an outcome only {count} times"));
    }

    [Fact]
    public unsafe void Nothing_behind_the_input_is_read()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs a page that cannot be read");
        const nuint Page = 4096;
        var pages = MapPages(0, 2 * Page, 3, 0x22, -1, 0);
        try
        {
            // Reading the second page kills the process.
            Assert.Equal(0, ProtectPages(pages + (nint)Page, Page, 0));
            byte[] pipeline = [.. Multibulk("SET"u8.ToArray(), "k"u8.ToArray(), new byte[12], new byte[120], []), .. "*12\r\n$1\r\n"u8, .. "set \"a\\x\" b"u8];
            for (var start = 0; start < pipeline.Length; start++)
            {
                for (var end = start; end <= pipeline.Length; end++)
                {
                    var input = new Span<byte>((byte*)pages + Page - (end - start), end - start);
                    pipeline.AsSpan(start, end - start).CopyTo(input);
                    NewParser().Parse(input);
                }
            }
        }
        finally
        {
            _ = UnmapPages(pages, 2 * Page);
        }
    }

    [Fact]
    public void A_slow_sender_of_many_arguments_is_parsed_once()
    {
        var input = Multibulk([.. Enumerable.Repeat("x"u8.ToArray(), 100_000)]);
        var parser = new CommandParser(2000, 50_000, 1 << 20);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        for (var length = 1; length < input.Length; length++)
        {
            Assert.Equal(CommandStatus.Incomplete, parser.Parse(input.AsSpan(0, length)));
        }

        Assert.Equal(CommandStatus.Complete, parser.Parse(input));
        Assert.Equal(100_000, parser.Count);

        // Quadratic work would be 35 * 10^9 steps; a bound no slow machine misses and no quadratic parser meets.
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), $"took {watch.Elapsed}");
    }

    [Fact]
    public void Parsing_allocates_nothing_after_warm_up()
    {
        var set = Multibulk("SET"u8.ToArray(), new byte[16], new byte[100]);
        var many = Multibulk([.. Enumerable.Repeat(new byte[5], 200)]);
        var inline = "set k \"a b\"\r\n"u8.ToArray();
        var parser = NewParser();
        var sum = 0;
        for (var round = 0; round < 3; round++)
        {
            sum += ParseAll(parser, set, many, inline);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < 100; round++)
        {
            sum += ParseAll(parser, set, many, inline);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(103 * (119 + 1000 + 7), sum);

        static int ParseAll(CommandParser parser, byte[] set, byte[] many, byte[] inline)
        {
            var bytes = 0;
            foreach (var command in (ReadOnlySpan<byte[]>)[set, many, inline])
            {
                parser.Parse(command.AsSpan(0, command.Length / 2));
                parser.Parse(command);
                for (var index = 0; index < parser.Count; index++)
                {
                    bytes += parser.Argument(command, index).Length;
                }
            }

            return bytes;
        }
    }

    internal static byte[] Multibulk(params byte[][] arguments)
    {
        var command = new List<byte>(Encoding.Latin1.GetBytes($"*{arguments.Length}\r\n"));
        foreach (var argument in arguments)
        {
            command.AddRange(Encoding.Latin1.GetBytes($"${argument.Length}\r\n"));
            command.AddRange(argument);
            command.AddRange("\r\n"u8);
        }

        return [.. command];
    }

    internal static List<byte[]> Arguments(CommandParser parser, byte[] input)
    {
        var arguments = new List<byte[]>();
        for (var index = 0; index < parser.Count; index++)
        {
            arguments.Add(parser.Argument(input, index).ToArray());
        }

        return arguments;
    }

    [DllImport("libc", EntryPoint = "mmap")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint MapPages(nint address, nuint length, int protection, int flags, int file, nint offset);

    [DllImport("libc", EntryPoint = "mprotect")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int ProtectPages(nint address, nuint length, int protection);

    [DllImport("libc", EntryPoint = "munmap")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int UnmapPages(nint address, nuint length);

    private static CommandParser NewParser() => new(LargeThreshold, MaxBulk, MaxCommandBytes);

    // Mostly well-formed commands, then bent: a byte changed, cut, or garbage from the protocol's own alphabet.
    private static byte[] RandomInput(Random random)
    {
        byte[] input;
        switch (random.Next(8))
        {
            case 0:
                input = new byte[random.Next(1, 60)];
                random.NextBytes(input);
                break;
            case 1:
                input = random.GetItems("*$-0123\r\n \"'\\xa"u8.ToArray(), random.Next(1, 60));
                break;
            case 2:
                input = [.. random.GetItems("ab \"'\\x4\t"u8.ToArray(), random.Next(0, 30)), (byte)'\n', (byte)'x'];
                break;
            case 3:
                input = Multibulk([.. Enumerable.Range(0, random.Next(0, 5)).Select(_ => new byte[random.Next(3000)])]);
                break;
            case 4:
                input = Multibulk([.. Enumerable.Range(0, random.Next(0, 60)).Select(_ => new byte[random.Next(1000)])]);
                break;
            default:
                input = [.. Multibulk([.. Enumerable.Range(0, random.Next(0, 14)).Select(_ => new byte[random.Next(random.Next(2) == 0 ? 12 : 130)])]), .. "*1\r\n"u8];
                break;
        }

        if (random.Next(4) == 0)
        {
            input[random.Next(input.Length)] = (byte)random.Next(256);
        }

        return random.Next(4) == 0 ? input[..random.Next(1, input.Length + 1)] : input;
    }
}
