using System.Text;
using Xunit;

namespace Levee.Resp.Tests;

public sealed class ReplyParserTests
{
    private const int MaxReplyBytes = 100_000;

    [Theory]
    [InlineData("+OK\r\n", "+OK")]
    [InlineData("-ERR no\r\n", "-ERR no")]
    [InlineData("!6\r\nERR no\r\n", "-ERR no")]
    [InlineData(":-42\r\n", ":-42")]
    [InlineData("$5\r\nhel\r\n\r\n", "$hel\r\n")]
    [InlineData("$0\r\n\r\n", "$")]
    [InlineData("$-1\r\n", "_")]
    [InlineData("*-1\r\n", "_")]
    [InlineData("_\r\n", "_")]
    [InlineData("#t\r\n", "#true")]
    [InlineData(",1.5\r\n", ",1.5")]
    [InlineData(",-inf\r\n", ",-Infinity")]
    [InlineData("(123456789012345678901234567890\r\n", "(123456789012345678901234567890")]
    [InlineData("=7\r\ntxt:abc\r\n", "=abc")]
    [InlineData("*0\r\n", "*[]")]
    [InlineData("*3\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n_\r\n", "*[:1 *[$a *[]] _]")]
    [InlineData("%1\r\n+k\r\n~2\r\n:1\r\n:2\r\n", "%[+k ~[:1 :2]]")]
    [InlineData(">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n", ">[+invalidate *[$k]]")]
    [InlineData("|1\r\n+ttl\r\n:3\r\n:7\r\n", ":7")]
    [InlineData("*2\r\n|1\r\n+a\r\n*1\r\n:0\r\n:7\r\n:8\r\n", "*[:7 :8]")]
    public void A_reply_reads_the_same_at_every_split(string text, string expected)
    {
        byte[] input = [.. Encoding.Latin1.GetBytes(text), .. "+NEXT\r\n"u8];
        for (var split = 0; split <= text.Length; split++)
        {
            var parser = new ReplyParser(MaxReplyBytes);
            var taken = parser.Feed(input.AsSpan(0, split));
            Assert.Equal(split == text.Length ? ReplyStatus.Complete : ReplyStatus.Incomplete, parser.Status);
            Assert.Equal(split, taken);
            taken += parser.Status == ReplyStatus.Complete ? 0 : parser.Feed(input.AsSpan(split));
            Assert.Equal(ReplyStatus.Complete, parser.Status);
            Assert.Equal(text.Length, taken);
            Assert.Equal(expected, Show(parser.Value));
        }
    }

    [Theory]
    [InlineData("?\r\n")]
    [InlineData("\r\n")]
    [InlineData("+OK\n")]
    [InlineData(":x\r\n")]
    [InlineData(":1 \r\n")]
    [InlineData("$-2\r\n")]
    [InlineData("$100001\r\n")]
    [InlineData("$?\r\n")]
    [InlineData("$2\r\nabc\r\n")]
    [InlineData("*-2\r\n")]
    [InlineData("*99999999\r\n")]
    [InlineData("%9223372036854775807\r\n")]
    [InlineData("%-1\r\n")]
    [InlineData("#x\r\n")]
    [InlineData("=3\r\nabc\r\n")]
    [InlineData("_x\r\n")]
    public void What_is_no_reply_is_refused(string text)
    {
        var parser = new ReplyParser(MaxReplyBytes);
        parser.Feed(Encoding.Latin1.GetBytes(text));
        Assert.Equal(ReplyStatus.Invalid, parser.Status);
        Assert.NotNull(parser.Error);
        Assert.Equal(0, parser.Feed("+OK\r\n"u8));
    }

    [Fact]
    public void Nesting_lines_and_memory_are_bounded()
    {
        AssertRefused(string.Concat(Enumerable.Repeat("*1\r\n", ReplyParser.MaxDepth + 1)), "nested deeper");
        AssertRefused("+" + new string('a', 70_000), "a line of more than");
        AssertRefused("*4000\r\n" + string.Concat(Enumerable.Repeat("+" + new string('a', 40) + "\r\n", 4000)), "a reply of more than");

        var deepest = new ReplyParser(MaxReplyBytes);
        deepest.Feed(Encoding.Latin1.GetBytes(string.Concat(Enumerable.Repeat("*1\r\n", ReplyParser.MaxDepth)) + ":1\r\n"));
        Assert.Equal(ReplyStatus.Complete, deepest.Status);

        static void AssertRefused(string text, string reason)
        {
            var parser = new ReplyParser(MaxReplyBytes);
            var input = Encoding.Latin1.GetBytes(text);
            for (var position = 0; position < input.Length && parser.Status == ReplyStatus.Incomplete;)
            {
                position += parser.Feed(input.AsSpan(position, Math.Min(1000, input.Length - position)));
            }

            Assert.Equal(ReplyStatus.Invalid, parser.Status);
            Assert.Contains(reason, parser.Error, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Garbage_never_throws(int seed)
    {
        var random = new Random(seed);
        var outcomes = new int[3];
        for (var round = 0; round < 50_000; round++)
        {
            var input = random.GetItems("+-:$*%~>|_#,(!=0123tf\r\n\r\n\r\n"u8.ToArray(), random.Next(1, 80));
            var parser = new ReplyParser(1024);
            for (var position = 0; position < input.Length && parser.Status != ReplyStatus.Invalid;)
            {
                var taken = parser.Feed(input.AsSpan(position, random.Next(1, input.Length - position + 1)));
                Assert.True(taken > 0 || parser.Status == ReplyStatus.Invalid);
                position += taken;
                outcomes[(int)parser.Status]++;
            }
        }

        Assert.All(outcomes, static count => Assert.True(count > 300, $"only {count}"));
    }

    internal static ReplyParser Parse(ReadOnlySpan<byte> input)
    {
        var parser = new ReplyParser(MaxReplyBytes);
        Assert.Equal(input.Length, parser.Feed(input));
        Assert.Equal(ReplyStatus.Complete, parser.Status);
        return parser;
    }

    internal static string Show(RespValue value) => value.Kind switch
    {
        RespKind.SimpleString => "+" + value,
        RespKind.Error => "-" + value,
        RespKind.Integer => ":" + value.AsInteger(),
        RespKind.BulkString => "$" + value,
        RespKind.Null => "_",
        RespKind.Boolean => "#" + value,
        RespKind.Double => "," + value,
        RespKind.BigNumber => "(" + value,
        RespKind.VerbatimString => "=" + value,
        RespKind.Array => "*" + ShowItems(value),
        RespKind.Map => "%" + ShowItems(value),
        RespKind.Set => "~" + ShowItems(value),
        _ => ">" + ShowItems(value),
    };

    private static string ShowItems(RespValue value) => "[" + string.Join(' ', value.Items.ToArray().Select(Show)) + "]";
}
