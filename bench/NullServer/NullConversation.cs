using Levee.Server.Transport;

namespace Levee.NullServer;

/// <summary>
/// A RESP conversation that stores nothing: each SET is answered with OK, each GET with the same 100 bytes, all else with an empty array. What it costs
/// is what the transport and a minimal parser cost.
/// </summary>
internal sealed class NullConversation : IConversation
{
    private const int LargestReplyBytes = 110;
    private const int TurnReplyBytes = 64 * 1024;

    private static readonly byte[] GetReply = [.. "$100\r\n"u8, .. Enumerable.Repeat((byte)'x', 100), .. "\r\n"u8];

    // Shared by the connections of a thread while it is handed over at once; a connection whose client is slow keeps its own.
    [ThreadStatic]
    private static byte[]? spare;

    private byte[]? output;
    private int start;
    private int end;

    public ConversationState State { get; private set; }

    public ReadOnlySpan<byte> Unsent => output.AsSpan(start, end - start);

    public int Consume(ReadOnlySpan<byte> input)
    {
        if (output is null)
        {
            output = spare ?? new byte[TurnReplyBytes + LargestReplyBytes];
            spare = null;
        }

        var consumed = 0;
        while (end < TurnReplyBytes && TryRead(input[consumed..], out var length, out var letter))
        {
            consumed += length;
            var reply = letter switch
            {
                'S' => "+OK\r\n"u8,
                'G' => GetReply,
                _ => "*0\r\n"u8,
            };
            reply.CopyTo(output.AsSpan(end));
            end += reply.Length;
        }

        State = end >= TurnReplyBytes ? ConversationState.Paused : ConversationState.Reading;
        ReturnOutput();
        return consumed;
    }

    public void Continue()
    {
    }

    public void Sent(int count)
    {
        start += count;
        if (start == end)
        {
            start = end = 0;
            State = ConversationState.Reading;
            ReturnOutput();
        }
    }

    public void Closed(string reason)
    {
    }

    /// <summary>Finds the end of an array of bulk strings and the first letter of its first.</summary>
    private static bool TryRead(ReadOnlySpan<byte> input, out int length, out char letter)
    {
        length = 0;
        letter = '\0';
        if (!TryReadNumber(input, ref length, out var count))
        {
            return false;
        }

        for (var i = 0; i < count; i++)
        {
            if (!TryReadNumber(input, ref length, out var size) || input.Length - length < size + 2)
            {
                return false;
            }

            letter = i == 0 && size > 0 ? (char)input[length] : letter;
            length += size + 2;
        }

        return true;
    }

    private static bool TryReadNumber(ReadOnlySpan<byte> input, ref int position, out int number)
    {
        number = 0;
        for (var i = position + 1; i < input.Length; i++)
        {
            if (input[i] == (byte)'\r')
            {
                position = i + 2;
                return position <= input.Length;
            }

            number = (number * 10) + input[i] - '0';
        }

        return false;
    }

    private void ReturnOutput()
    {
        if (end == 0)
        {
            spare = output;
            output = null;
        }
    }
}
