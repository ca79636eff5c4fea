using System.IO.Compression;
using System.Text;
using Levee.Cli.Replay;
using Levee.Keys;
using Xunit;

namespace Levee.Cli.Tests.Replay;

public sealed class TraceReaderTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("levee-traces-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void A_lis_line_becomes_a_request_for_each_of_its_blocks()
    {
        var trace = Read("a.lis", "10 3 0 0\n7 1 0 5\n");
        Assert.Equal([10UL, 11, 12, 7], trace.Keys.ToArray());
        Assert.False(trace.HasSizes);
        Assert.Equal("a.lis", trace.Name);
    }

    [Fact]
    public void Of_a_lis_line_the_first_block_alone_counts_where_that_is_asked_for()
    {
        var path = Path.Combine(folder.FullName, "a.lis");
        File.WriteAllText(path, "10 3 0 0\n7 1 0 5\n");
        Assert.Equal([10UL, 7], TraceReader.Read(path, blocks: BlockCount.First, cancellation: TestContext.Current.CancellationToken).Keys.ToArray());
    }

    [Fact]
    public void Numbers_are_keys_as_they_are_and_text_is_hashed()
    {
        var trace = Read("a.txt", "42\nuser:1\n007\n-5\n18446744073709551615\n");
        Assert.Equal([42UL, KeyHash.Of("user:1"u8), KeyHash.Of("007"u8), KeyHash.Of("-5"u8), ulong.MaxValue], trace.Keys.ToArray());
    }

    [Fact]
    public void A_second_field_is_the_size()
    {
        var trace = Read("a.sized.txt", "1 100\nphoto 0\n1\t2147483647\n");
        Assert.Equal([1UL, KeyHash.Of("photo"u8), 1], trace.Keys.ToArray());
        Assert.Equal([100, 0, int.MaxValue], trace.Sizes.ToArray());
        Assert.Equal(trace.Sizes.ToArray(), Read("other-name", "1 100\nphoto 0\n1\t2147483647\n").Sizes.ToArray());
    }

    [Fact]
    public void A_name_that_says_nothing_leaves_it_to_the_first_line() =>
        Assert.Equal([5UL, 6], Read("a.trace", "5 2 0 0\n").Keys.ToArray());

    [Fact]
    public void Empty_lines_carriage_returns_and_a_missing_last_newline_do_no_harm() =>
        Assert.Equal([1UL, 2, 3], Read("a.txt", "\n1\r\n\r\n 2 \n3").Keys.ToArray());

    [Fact]
    public void Gzip_is_known_by_its_first_bytes_whatever_the_name()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
        {
            gzip.Write("3 2 0 0\n"u8);
        }

        Assert.Equal([3UL, 4], ReadFile(Write("a.lis.gz", packed.ToArray())).Keys.ToArray());
        Assert.Equal([3UL, 4], ReadFile(Write("a.lis", packed.ToArray())).Keys.ToArray());
    }

    [Fact]
    public void A_broken_gzip_is_an_error_that_names_the_file()
    {
        var refusal = Assert.Throws<CommandException>(() => ReadFile(Write("a.gz", [0x1f, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])));
        Assert.Contains("a.gz: not a whole gzip file", refusal.Message);
    }

    [Fact]
    public void More_lines_than_a_buffer_holds_are_all_read()
    {
        var text = new StringBuilder();
        for (var i = 0; i < 200_000; i++)
        {
            text.Append(i * 7L).Append('\n');
        }

        var keys = Read("a.txt", text.ToString()).Keys.Span;
        Assert.Equal(200_000, keys.Length);
        for (var i = 0; i < keys.Length; i++)
        {
            Assert.Equal((ulong)i * 7, keys[i]);
        }
    }

    [Theory]
    [InlineData("a.lis", "1 2 0 0\n1 x 0 0\n", "line 2", "'start count x x'", "'1 x 0 0'")]
    [InlineData("a.lis", "1 0 0 0\n", "line 1", "count of 1", "'1 0 0 0'")]
    [InlineData("a.lis", "1\n", "line 1", "'start count x x'", "'1'")]
    [InlineData("a.sized.txt", "1 10\n\n2\n", "line 3", "'key size'", "'2'")]
    [InlineData("a.sized.txt", "1 -10\n", "line 1", "size of 0", "'1 -10'")]
    [InlineData("a.sized.txt", "1 99999999999\n", "line 1", "2147483647", "'1 99999999999'")]
    [InlineData("a.txt", "1\n2\n3 4\n", "line 3", "one key without spaces", "'3 4'")]
    [InlineData("a.txt", "1 2 3\n", "line 1", "'key', 'key size' or 'start count x x'", "'1 2 3'")]
    [InlineData("a.txt", "", "no request", "expected", "'key'")]
    [InlineData("a.txt", "\n\n", "no request", "expected", "'key'")]
    public void What_is_wrong_is_said_with_file_line_and_expectation(string name, string text, params string[] said)
    {
        var refusal = Assert.Throws<CommandException>(() => Read(name, text));
        Assert.Contains(name, refusal.Message);
        foreach (var part in said)
        {
            Assert.Contains(part, refusal.Message);
        }
    }

    [Fact]
    public void A_line_without_end_is_refused_before_it_fills_the_memory()
    {
        var refusal = Assert.Throws<CommandException>(() => Read("a.txt", "1\n" + new string('x', 200_000)));
        Assert.Contains("line 2: expected a line of at most 65536 bytes", refusal.Message);
    }

    [Fact]
    public void A_file_that_is_not_there_is_an_error_that_names_it() =>
        Assert.Contains("gone.txt: cannot be read", Assert.Throws<CommandException>(() => ReadFile(Path.Combine(folder.FullName, "gone.txt"))).Message);

    [Fact]
    public void Bytes_that_are_no_text_are_not_sent_to_the_terminal()
    {
        var refusal = Assert.Throws<CommandException>(() => ReadFile(Write("a.lis", [0x1b, (byte)'[', (byte)'2', (byte)'J', (byte)'\n'])));
        Assert.Contains("'?[2J'", refusal.Message);
    }

    private Trace Read(string name, string text) => ReadFile(Write(name, Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Numbers_at_the_end_of_text_are_kept_where_they_are_asked_for()
    {
        var path = Path.Combine(folder.FullName, "texts.txt");
        File.WriteAllText(path, string.Concat(Enumerable.Range(0, 10).Select(i => $"user:{i}\n")) + "user:8\nuser\n17\n5000000000\n007\n");
        var trace = TraceReader.Read(path, keepsNumbers: true, cancellation: TestContext.Current.CancellationToken);
        var keys = trace.Keys.ToArray();
        var numbers = trace.Numbers.ToArray();
        Assert.All(Enumerable.Range(3, 7), i => Assert.True(numbers[i] && (i == 3 || keys[i] == keys[i - 1] + 1)));
        Assert.Equal((keys[8], true), (keys[10], numbers[10]));
        Assert.Equal((17UL, true), (keys[12], numbers[12]));
        Assert.Equal((false, false, false), (numbers[11], numbers[13], numbers[14]));
        Assert.NotEqual(5_000_000_000UL, keys[13]);
        Assert.True(TraceReader.Read(path, cancellation: TestContext.Current.CancellationToken).Numbers.IsEmpty);
    }

    private static Trace ReadFile(string path) => TraceReader.Read(path, progress: null, cancellation: TestContext.Current.CancellationToken);

    private string Write(string name, byte[] content)
    {
        var path = Path.Combine(folder.FullName, name);
        File.WriteAllBytes(path, content);
        return path;
    }
}
