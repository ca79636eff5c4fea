using Levee.Server.Transport;
using Xunit;

namespace Levee.Server.Tests.Transport;

/// <summary>Acts on input; how many bytes it is done with.</summary>
internal delegate int ConsumeScript(ScriptedConversation conversation, ReadOnlySpan<byte> input);

/// <summary>A conversation whose wits a test provides, and which records what the transport did with it.</summary>
internal sealed class ScriptedConversation(IWaker waker, ConsumeScript consume) : IConversation
{
    private readonly TaskCompletionSource<string> closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[] output = new byte[4096];
    private int outputStart;
    private int outputEnd;
    private int owners;

    public IWaker Waker => waker;

    public ConversationState State { get; set; }

    public bool HasPending { get; set; }

    /// <summary>Runs in Continue.</summary>
    public Action<ScriptedConversation>? OnContinue { get; set; }

    /// <summary>Runs in Sent.</summary>
    public Action<ScriptedConversation>? OnSent { get; set; }

    public int Consumes { get; private set; }

    public int Sends { get; private set; }

    public int Continues { get; private set; }

    public int LargestInput { get; private set; }

    /// <summary>True when two threads were ever inside at a time.</summary>
    public bool WasShared { get; private set; }

    public Task<string> ClosedReason => closed.Task;

    public ReadOnlySpan<byte> Unsent => output.AsSpan(outputStart, outputEnd - outputStart);

    public int Consume(ReadOnlySpan<byte> input)
    {
        Enter();
        Consumes++;
        LargestInput = Math.Max(LargestInput, input.Length);
        var consumed = consume(this, input);
        Leave();
        return consumed;
    }

    public void Continue()
    {
        Enter();
        Continues++;
        OnContinue?.Invoke(this);
        Leave();
    }

    public void Sent(int count)
    {
        Enter();
        Sends++;
        outputStart += count;
        if (outputStart == outputEnd)
        {
            outputStart = outputEnd = 0;
        }

        OnSent?.Invoke(this);
        Leave();
    }

    public void Closed(string reason)
    {
        Enter();
        Assert.True(closed.TrySetResult(reason), "Closed twice");
        Leave();
    }

    public void Say(ReadOnlySpan<byte> bytes)
    {
        if (output.Length - outputEnd < bytes.Length)
        {
            Array.Resize(ref output, Math.Max(output.Length * 2, outputEnd + bytes.Length));
        }

        bytes.CopyTo(output.AsSpan(outputEnd));
        outputEnd += bytes.Length;
    }

    private void Enter() => WasShared |= Interlocked.Increment(ref owners) != 1;

    private void Leave() => Interlocked.Decrement(ref owners);
}

/// <summary>Scripts that several tests use.</summary>
internal static class Scripts
{
    /// <summary>Says everything back.</summary>
    public static int Echo(ScriptedConversation conversation, ReadOnlySpan<byte> input)
    {
        conversation.Say(input);
        return input.Length;
    }

    /// <summary>Says whole lines back, and leaves the rest of a line until its end has come.</summary>
    public static int EchoLines(ScriptedConversation conversation, ReadOnlySpan<byte> input)
    {
        var whole = input.LastIndexOf((byte)'\n') + 1;
        conversation.Say(input[..whole]);
        return whole;
    }
}
