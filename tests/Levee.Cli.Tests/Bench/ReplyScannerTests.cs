using System.Text;
using Levee.Cli.Bench;
using Xunit;

namespace Levee.Cli.Tests.Bench;

public sealed class ReplyScannerTests
{
    [Fact]
    public void Every_split_gives_the_same_replies()
    {
        var input = Encoding.Latin1.GetBytes("+OK\r\n$5\r\na\r\nbc\r\n$-1\r\n_\r\n-ERR x\r\n:1\r\n$0\r\n\r\n*1\r\n");
        ReplyScanner.Reply[] expected =
        [
            ReplyScanner.Reply.Value, ReplyScanner.Reply.Value, ReplyScanner.Reply.Null, ReplyScanner.Reply.Null,
            ReplyScanner.Reply.Error, ReplyScanner.Reply.Value, ReplyScanner.Reply.Value, ReplyScanner.Reply.Unknown,
        ];
        for (var split = 0; split <= input.Length; split++)
        {
            var scanner = default(ReplyScanner);
            var found = new List<ReplyScanner.Reply>();
            var position = 0;
            foreach (var available in (int[])[split, input.Length])
            {
                while (position < available)
                {
                    var reply = scanner.Next(input.AsSpan(position, available - position), out var consumed);
                    position += consumed;
                    if (reply == ReplyScanner.Reply.None)
                    {
                        break;
                    }

                    found.Add(reply);
                }
            }

            Assert.Equal(expected, found);
        }
    }
}
