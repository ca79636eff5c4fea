using System.Text;
using Xunit;

namespace Levee.Resp.Tests;

public sealed class CommandAssemblerTests
{
    private const int LargeThreshold = 1024;
    private const int MaxBulk = 100_000;
    private const int MaxCommandBytes = 8192;

    [Fact]
    public void A_large_argument_is_gathered_however_it_is_split()
    {
        var value = Pattern(1500);
        var command = CommandParserTests.Multibulk("SET"u8.ToArray(), "key"u8.ToArray(), value, "EX"u8.ToArray(), "10"u8.ToArray());
        byte[] input = [.. command, .. "PING\r\n"u8];
        for (var split = 1; split <= input.Length; split++)
        {
            var source = new Rooms();
            var (assembler, consumed) = Assemble(source, input, split);
            Assert.Equal(AssemblerStatus.Complete, assembler.Status);
            Assert.Equal(command.Length, consumed);
            Assert.Equal(5, assembler.Count);
            Assert.Equal("key"u8, assembler.Argument(1).Span);
            Assert.Equal("10"u8, assembler.Argument(4).Span);
            Assert.True(assembler.IsLarge(2));
            var taken = (Room)assembler.TakeLarge(2);
            Assert.Equal(value, taken.Bytes);
            assembler.Reset();
            Assert.False(taken.IsDisposed);
            Assert.Equal(AssemblerStatus.Idle, assembler.Status);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_commands_in_random_pieces_with_room_now_and_then_arrive_whole(int seed)
    {
        var random = new Random(seed);
        var waits = 0;
        var larges = 0;
        for (var round = 0; round < 2000; round++)
        {
            byte[][] arguments = [.. Enumerable.Range(0, random.Next(1, 8)).Select(_ => Pattern(random.Next(3) == 0 ? random.Next(1025, 5000) : random.Next(300)))];
            var input = CommandParserTests.Multibulk(arguments);
            var parser = NewParser();
            if (parser.Parse(input) != CommandStatus.Large)
            {
                continue;
            }

            var source = new Rooms { Chunk = random.Next(1, 2000) };
            using var assembler = NewAssembler(source);
            assembler.Begin(parser, input);
            var position = parser.ConsumedBytes;
            while (assembler.Status is AssemblerStatus.Incomplete or AssemblerStatus.NeedsRoom)
            {
                source.IsFull = random.Next(2) == 0;
                var piece = random.Next(0, Math.Min(700, input.Length - position) + 1);
                position += assembler.Feed(input.AsSpan(position, piece));
                waits += assembler.Status == AssemblerStatus.NeedsRoom ? 1 : 0;
            }

            Assert.Equal(AssemblerStatus.Complete, assembler.Status);
            Assert.Equal(input.Length, position);
            Assert.Equal(arguments.Length, assembler.Count);
            for (var index = 0; index < arguments.Length; index++)
            {
                Assert.Equal(arguments[index].Length > LargeThreshold, assembler.IsLarge(index));
                larges += assembler.IsLarge(index) ? 1 : 0;
                Assert.Equal(arguments[index], assembler.IsLarge(index) ? ((Room)assembler.TakeLarge(index)).Bytes : assembler.Argument(index).ToArray());
            }
        }

        Assert.True(waits > 500 && larges > 1000, $"{waits} waits, {larges} large arguments");
    }

    [Fact]
    public void Without_room_nothing_is_taken_until_there_is_some()
    {
        var source = new Rooms { IsFull = true };
        var input = CommandParserTests.Multibulk("SET"u8.ToArray(), "k"u8.ToArray(), Pattern(2000));
        var (assembler, consumed) = Assemble(source, input, input.Length);
        Assert.Equal(AssemblerStatus.NeedsRoom, assembler.Status);
        Assert.Equal(2000, assembler.LargeLength);
        Assert.Equal(input.Length - 2002, consumed);
        Assert.Equal(0, assembler.Feed(input.AsSpan(consumed)));
        source.IsFull = false;
        Assert.Equal(2002, assembler.Feed(input.AsSpan(consumed)));
        Assert.Equal(AssemblerStatus.Complete, assembler.Status);
    }

    [Fact]
    public void A_discarded_command_is_swallowed_to_its_end_and_not_further()
    {
        var command = CommandParserTests.Multibulk("MSET"u8.ToArray(), "a"u8.ToArray(), Pattern(2000), "b"u8.ToArray(), Pattern(3000), "c"u8.ToArray(), []);
        byte[] input = [.. command, .. "PING\r\n"u8];
        for (var discardAt = 0; discardAt < command.Length - 40; discardAt++)
        {
            var source = new Rooms();
            using var assembler = NewAssembler(source);
            var parser = NewParser();
            Assert.Equal(CommandStatus.Large, parser.Parse(input));
            assembler.Begin(parser, input);
            var position = parser.ConsumedBytes;
            position += assembler.Feed(input.AsSpan(position, Math.Max(0, discardAt - position)));
            assembler.Discard();
            Assert.All(source.Given, static room => Assert.True(room.IsDisposed));
            position += assembler.Feed(input.AsSpan(position));
            Assert.Equal(AssemblerStatus.Complete, assembler.Status);
            Assert.True(assembler.IsDiscarded);
            Assert.Equal(command.Length, position);
            Assert.Equal("MSET"u8, assembler.Argument(0).Span);
        }
    }

    [Fact]
    public void A_refused_or_reset_command_gives_its_memory_back()
    {
        var source = new Rooms();
        var bad = "*4\r\n$3\r\nSET\r\n$1025\r\n"u8.ToArray();
        var (assembler, _) = Assemble(source, [.. bad, .. Pattern(1025), .. "\r\n:1\r\n"u8], 50);
        Assert.Equal(AssemblerStatus.Invalid, assembler.Status);
        Assert.Equal("Protocol error: expected '$', got ':'", assembler.Error);
        Assert.True(Assert.Single(source.Given).IsDisposed);

        (assembler, _) = Assemble(source, [.. bad, .. Pattern(700)], 50);
        Assert.Equal(AssemblerStatus.Incomplete, assembler.Status);
        assembler.Reset();
        Assert.All(source.Given, static room => Assert.True(room.IsDisposed));
    }

    [Theory]
    [InlineData("$-1\r\n", "Protocol error: invalid bulk length")]
    [InlineData("$100001\r\n", "Protocol error: invalid bulk length")]
    [InlineData("$11111111111111111111111111111111111111111", "Protocol error: invalid bulk length")]
    [InlineData("$3\r\nabcd", "Protocol error: expected CRLF after bulk string")]
    [InlineData("$0\r\n\rx", "Protocol error: expected CRLF after bulk string")]
    public void What_follows_a_large_argument_is_checked_like_all_else(string rest, string error)
    {
        byte[] input = [.. "*3\r\n$1025\r\n"u8, .. Pattern(1025), .. "\r\n"u8, .. Encoding.Latin1.GetBytes(rest)];
        var (assembler, _) = Assemble(new Rooms(), input, 7);
        Assert.Equal(AssemblerStatus.Invalid, assembler.Status);
        Assert.Equal(error, assembler.Error);
    }

    [Fact]
    public void Small_arguments_are_bounded_together()
    {
        byte[][] arguments = [Pattern(1025), .. Enumerable.Repeat(Array.Empty<byte>(), 300)];
        var (assembler, consumed) = Assemble(new Rooms(), CommandParserTests.Multibulk(arguments), 100);
        Assert.Equal(AssemblerStatus.Invalid, assembler.Status);
        Assert.Equal($"Protocol error: command exceeds {MaxCommandBytes} bytes", assembler.Error);
        Assert.True(consumed < 1025 + 2500);
    }

    private static (CommandAssembler Assembler, int Consumed) Assemble(Rooms source, byte[] input, int pieceBytes)
    {
        var parser = NewParser();
        var length = 0;
        CommandStatus status;
        do
        {
            length = Math.Min(input.Length, length + pieceBytes);
            status = parser.Parse(input.AsSpan(0, length));
        }
        while (status == CommandStatus.Incomplete);

        Assert.Equal(CommandStatus.Large, status);
        var assembler = NewAssembler(source);
        assembler.Begin(parser, input.AsSpan(0, length));
        var position = parser.ConsumedBytes;
        while (assembler.Status == AssemblerStatus.Incomplete && position < input.Length)
        {
            position += assembler.Feed(input.AsSpan(position, Math.Min(pieceBytes, input.Length - position)));
        }

        return (assembler, position);
    }

    private static CommandParser NewParser() => new(LargeThreshold, MaxBulk, MaxCommandBytes);

    private static CommandAssembler NewAssembler(Rooms source) => new(source, LargeThreshold, MaxBulk, MaxCommandBytes);

    private static byte[] Pattern(int length)
    {
        var bytes = new byte[length];
        for (var index = 0; index < length; index++)
        {
            bytes[index] = (byte)((index * 7) + (index >> 8));
        }

        return bytes;
    }

    private sealed class Rooms : ILargeArgumentSource
    {
        public bool IsFull { get; set; }

        public int Chunk { get; init; } = int.MaxValue;

        public List<Room> Given { get; } = [];

        public ILargeArgument? TryCreate(int length)
        {
            if (IsFull)
            {
                return null;
            }

            Given.Add(new Room(length, Chunk));
            return Given[^1];
        }
    }

    private sealed class Room(int length, int chunk) : ILargeArgument
    {
        private int filled;

        public byte[] Bytes { get; } = new byte[length];

        public bool IsDisposed { get; private set; }

        public Span<byte> Unfilled() => Bytes.AsSpan(filled, Math.Min(chunk, Bytes.Length - filled));

        public void Advance(int count) => filled += count;

        public void Dispose() => IsDisposed = true;
    }
}
