using System.Globalization;
using System.Text;
using Levee.Operations;

namespace Levee.CrashChild;

/// <summary>Waits for one answer and keeps what the parent wants to know of it.</summary>
internal sealed class ChildSink(int scale) : IAnswerSink, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly ManualResetEventSlim answered = new();
    private byte[] buffer = new byte[256 << 10];
    private int key;

    public Outcome Outcome { get; private set; }

    public ulong Version { get; private set; }

    public long ExpiresAt { get; private set; }

    /// <summary>The operation that wrote the value, or the counter's value.</summary>
    public long Value { get; private set; }

    public long Number { get; private set; }

    public PartitionStatistics? Statistics { get; private set; }

    /// <summary>What is wrong with the value; null: nothing.</summary>
    public string? Damage { get; private set; }

    public void Expect(int asked)
    {
        answered.Reset();
        key = asked;
        (Outcome, Version, ExpiresAt, Value, Number, Statistics, Damage) = (Outcome.None, 0, 0, 0, 0, null, null);
    }

    /// <returns>False where no answer came in a long time.</returns>
    public bool Wait() => answered.Wait(Patience);

    public void Answer(long ticket, in Answer answer)
    {
        if (answer.Outcome == Outcome.Item)
        {
            return;
        }

        (Outcome, Number, Statistics) = (answer.Outcome, answer.Number, answer.Statistics);
        if (!answer.Entry.IsEmpty && answer.Outcome is Outcome.Hit or Outcome.Stored or Outcome.ConditionFailed)
        {
            Read(answer.Entry);
        }

        answered.Set();
    }

    public void Dispose() => answered.Dispose();

    private void Read(EntryView entry)
    {
        (Version, ExpiresAt) = (entry.Version, entry.ExpiresAt);
        if (!entry.Key.SequenceEqual(KeySpace.Name(key)))
        {
            Damage = $"key {key} answers with key {Encoding.ASCII.GetString(entry.Key)}";
            return;
        }

        if (buffer.Length < entry.ValueLength)
        {
            buffer = new byte[entry.ValueLength];
        }

        var value = buffer.AsSpan(0, entry.ValueLength);
        if (entry.Large is { } large)
        {
            large.CopyTo(0, value);
        }
        else
        {
            entry.Value.CopyTo(value);
        }

        if (KeySpace.IsCounter(key))
        {
            Value = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1;
            Damage = Value < 0 ? $"key {key} holds no number" : null;
        }
        else if (KeySpace.TryRead(value, key, scale, out var op))
        {
            Value = op;
        }
        else
        {
            Damage = $"key {key} holds {value.Length} bytes that are not its value {op}";
        }
    }
}
