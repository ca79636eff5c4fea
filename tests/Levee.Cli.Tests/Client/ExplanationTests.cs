using System.Text;
using Levee.Cli.Client;
using Levee.Resp;
using Xunit;

namespace Levee.Cli.Tests.Client;

public sealed class ExplanationTests
{
    private static readonly string[] Place = ["tier", "file:./data", "where", "segment 1", "stored_bytes", "10", "since", "940000", "promoted", "0"];

    [Fact]
    public void A_ghost_comes_back_at_once() =>
        Assert.Equal(
            ["not in memory", "in file:./data: segment 1, written 60 s ago, 10 bytes", "its next read brings it back to memory at once, because the policy remembers it on its ghost list B9"],
            Explain(("ghost", "1"), ("list", "B9")));

    [Theory]
    [InlineData("B1", "used once before")]
    [InlineData("B2", "used more than once before")]
    public void A_ghost_list_is_explained(string list, string words) => Assert.Contains(words, Explain(("ghost", "1"), ("list", list)).Last(), StringComparison.Ordinal);

    [Fact]
    public void A_load_under_way_is_told() => Assert.Contains("it is being loaded from a tier now", Explain(("loading", "1")));

    [Theory]
    [InlineData("LRU", "in memory, on the policy's list LRU")]
    [InlineData("T1", "in memory, on ARC's recent list (T1): used once of late")]
    [InlineData("prefetched", "in memory, because it was prefetched; it has not been used since, and leaves again unless it is used soon")]
    [InlineData("", "in memory")]
    public void A_list_has_a_name_that_says_something(string list, string line) => Assert.Equal(line, Explain(("in_memory", "1"), ("list", list)).First());

    [Theory]
    [InlineData(0, "just now")]
    [InlineData(999, "just now")]
    [InlineData(-5000, "just now")]
    [InlineData(57_999, "57 s ago")]
    [InlineData(180_000, "3 min ago")]
    [InlineData(7_200_000, "2 h ago")]
    [InlineData(259_200_000, "3 days ago")]
    public void Ages_are_told_in_one_unit(long ageMs, string words) => Assert.Equal(words, Amounts.Ago(1_000_000_000 - ageMs, 1_000_000_000));

    [Theory]
    [InlineData(0, "0 bytes")]
    [InlineData(1, "1 byte")]
    [InlineData(1023, "1023 bytes")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(3L << 40, "3.0 TiB")]
    [InlineData(2048L << 40, "2048.0 TiB")]
    public void Sizes_have_a_unit(long bytes, string words) => Assert.Equal(words, Amounts.Bytes(bytes));

    [Theory]
    [InlineData(0, "$0")]
    [InlineData(12.345, "$12.35")]
    [InlineData(-0.5, "-$0.50")]
    [InlineData(0.00012, "$0.000120")]
    [InlineData(0.000000012, "$1.2E-8")]
    public void Small_sums_show_that_they_are_not_nothing(double dollars, string words) => Assert.Equal(words, Amounts.Dollars(dollars));

    private static IEnumerable<string> Explain(params (string Name, string Value)[] fields)
    {
        string[] pairs = ["now", "1000000", .. fields.SelectMany(field => new[] { field.Name, field.Value })];
        var reply = new StringBuilder().Append($"*{pairs.Length + 2}\r\n");
        Append(reply, pairs);
        Append(reply, ["places"]);
        reply.Append($"*1\r\n*{Place.Length}\r\n");
        Append(reply, Place);
        return Explanation.Lines(ReplyFields.Read(Parse(reply.ToString())));
    }

    private static void Append(StringBuilder reply, string[] texts)
    {
        foreach (var text in texts)
        {
            reply.Append($"${text.Length}\r\n{text}\r\n");
        }
    }

    private static RespValue Parse(string text)
    {
        var parser = new ReplyParser(64 * 1024);
        parser.Feed(Encoding.ASCII.GetBytes(text));
        Assert.Equal(ReplyStatus.Complete, parser.Status);
        return parser.Value;
    }
}
