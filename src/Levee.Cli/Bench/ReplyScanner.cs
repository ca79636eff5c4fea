using System.Buffers.Text;

namespace Levee.Cli.Bench;

/// <summary>
/// Recognises the replies that a bench gets (lines, and bulk strings whose bytes it drops unseen), without objects: what RespConnection does for everyone costs too much here.
/// </summary>
internal struct ReplyScanner
{
    // Bytes of a bulk string's payload and line end that are still to come.
    private int unseen;

    public enum Reply
    {
        None,
        Value,
        Null,
        Error,
        Unknown,
    }

    /// <summary>Takes one reply from the front of the input. After <see cref="Reply.None"/> the bytes not consumed belong to a line that is not whole.</summary>
    public Reply Next(ReadOnlySpan<byte> input, out int consumed)
    {
        consumed = 0;
        if (unseen == 0)
        {
            var feed = input.IndexOf((byte)'\n');
            if (feed < 0)
            {
                return Reply.None;
            }

            consumed = feed + 1;
            switch (input[0])
            {
                case (byte)'+' or (byte)':':
                    return Reply.Value;
                case (byte)'-':
                    return Reply.Error;
                case (byte)'_':
                    return Reply.Null;
                case (byte)'$' when Utf8Parser.TryParse(input[1..feed], out int length, out _) && length is >= -1 and < int.MaxValue - 2:
                    if (length < 0)
                    {
                        return Reply.Null;
                    }

                    unseen = length + 2;
                    break;
                default:
                    return Reply.Unknown;
            }
        }

        var skipped = Math.Min(unseen, input.Length - consumed);
        consumed += skipped;
        unseen -= skipped;
        return unseen == 0 ? Reply.Value : Reply.None;
    }
}
