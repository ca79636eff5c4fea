using System.Text;
using Xunit;

namespace Levee.Resp.Tests;

public sealed class RespWriterTests
{
    private readonly byte[] buffer = new byte[4096];

    [Fact]
    public void Integers_read_back_and_fit_their_bound()
    {
        foreach (var value in (long[])[0, 1, 9, 10, 99, 100, 999, 1000, -1, -10, int.MaxValue, int.MinValue, long.MaxValue, long.MinValue])
        {
            var written = RespWriter.WriteInteger(buffer.AsSpan(0, RespWriter.MaxIntegerBytes), value);
            Assert.Equal(value, ReplyParserTests.Parse(buffer.AsSpan(0, written)).Value.AsInteger());
        }
    }

    [Fact]
    public void Bulk_strings_of_every_length_read_back()
    {
        for (var length = 0; length < 1200; length++)
        {
            var value = Encoding.Latin1.GetBytes(new string('v', length));
            var written = RespWriter.WriteBulkString(buffer.AsSpan(0, RespWriter.BulkStringBytes(length)), value);
            Assert.Equal(Encoding.Latin1.GetBytes($"${length}\r\n{new string('v', length)}\r\n"), buffer.AsSpan(0, written));
        }
    }

    [Fact]
    public void A_bulk_string_fits_a_span_of_exactly_its_size()
    {
        foreach (var length in (int[])[0, 1, 9, 10, 99, 100, 999, 1000])
        {
            var exact = $"${length}\r\n".Length + length + 2;
            Assert.Equal(exact, RespWriter.WriteBulkString(buffer.AsSpan(0, exact), new byte[length]));
            Assert.ThrowsAny<ArgumentException>(() => RespWriter.WriteBulkString(buffer.AsSpan(0, exact - 1), new byte[length]));
        }
    }

    [Fact]
    public void Doubles_read_back_as_the_same_bits_in_both_versions()
    {
        var random = new Random(5);
        double[] values = [0, -0.0, 1.5, -1e300, double.Epsilon, double.MaxValue, -1.2345678901234567e-308, double.PositiveInfinity, double.NegativeInfinity, double.NaN,
            .. Enumerable.Range(0, 10_000).Select(_ => BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue)))];
        foreach (var value in values)
        {
            foreach (var version in (RespVersion[])[RespVersion.Resp2, RespVersion.Resp3])
            {
                var written = RespWriter.WriteDouble(buffer.AsSpan(0, RespWriter.MaxDoubleBytes), value, version);
                var reply = ReplyParserTests.Parse(buffer.AsSpan(0, written)).Value;
                Assert.Equal(version == RespVersion.Resp3 ? RespKind.Double : RespKind.BulkString, reply.Kind);
                Assert.True(value.Equals(reply.AsDouble()), $"{value:R} {reply}");
            }
        }
    }

    [Fact]
    public void Each_version_has_its_own_spelling()
    {
        Assert.Equal("$-1\r\n", Write(static span => RespWriter.WriteNull(span, RespVersion.Resp2)));
        Assert.Equal("*-1\r\n", Write(static span => RespWriter.WriteNullArray(span, RespVersion.Resp2)));
        Assert.Equal("_\r\n", Write(static span => RespWriter.WriteNull(span, RespVersion.Resp3)));
        Assert.Equal("_\r\n", Write(static span => RespWriter.WriteNullArray(span, RespVersion.Resp3)));
        Assert.Equal("*24\r\n", Write(static span => RespWriter.WriteMapHeader(span, 12, RespVersion.Resp2)));
        Assert.Equal("%12\r\n", Write(static span => RespWriter.WriteMapHeader(span, 12, RespVersion.Resp3)));
        Assert.Equal("*3\r\n", Write(static span => RespWriter.WriteSetHeader(span, 3, RespVersion.Resp2)));
        Assert.Equal("~3\r\n", Write(static span => RespWriter.WriteSetHeader(span, 3, RespVersion.Resp3)));
        Assert.Equal("*2\r\n", Write(static span => RespWriter.WritePushHeader(span, 2, RespVersion.Resp2)));
        Assert.Equal(">2\r\n", Write(static span => RespWriter.WritePushHeader(span, 2, RespVersion.Resp3)));
        Assert.Equal(":1\r\n", Write(static span => RespWriter.WriteBoolean(span, true, RespVersion.Resp2)));
        Assert.Equal("#f\r\n", Write(static span => RespWriter.WriteBoolean(span, false, RespVersion.Resp3)));
        Assert.Equal("$2\r\nab\r\n", Write(static span => RespWriter.WriteVerbatimString(span, "ab"u8, RespVersion.Resp2)));
        Assert.Equal("=6\r\ntxt:ab\r\n", Write(static span => RespWriter.WriteVerbatimString(span, "ab"u8, RespVersion.Resp3)));
        Assert.Equal("*1048576\r\n", Write(static span => RespWriter.WriteArrayHeader(span, 1048576)));
        Assert.Equal("$2147483647\r\n", Write(static span => RespWriter.WriteBulkHeader(span, int.MaxValue)));
    }

    [Fact]
    public void A_line_end_in_an_error_cannot_forge_a_reply()
    {
        Assert.Equal("-ERR unknown command 'a  +OK'\r\n", Write(static span => RespWriter.WriteError(span, "ERR unknown command 'a\r\n+OK'"u8)));
        Assert.Equal("+OK\r\n", Write(static span => RespWriter.WriteSimpleString(span, "OK"u8)));
    }

    [Fact]
    public void Writing_allocates_nothing()
    {
        Rounds(1); // The first use of the base library's formatting sets up its tables.
        var before = GC.GetAllocatedBytesForCurrentThread();
        Rounds(100);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Rounds(int count)
        {
            for (var round = 0; round < count; round++)
            {
                RespWriter.WriteBulkString(buffer, "value"u8);
                RespWriter.WriteInteger(buffer, 123456789);
                RespWriter.WriteDouble(buffer, 1.0 / 3, RespVersion.Resp3);
            }
        }
    }

    private delegate int Writing(Span<byte> destination);

    private string Write(Writing writing)
    {
        Array.Fill(buffer, (byte)'!');
        return Encoding.Latin1.GetString(buffer.AsSpan(0, writing(buffer)));
    }
}
