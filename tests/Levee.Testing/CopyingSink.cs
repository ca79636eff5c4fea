using Levee.Operations;

namespace Levee.Testing;

/// <summary>Copies answers, so that a test can look at them after the call.</summary>
public sealed class CopyingSink : IAnswerSink
{
    public List<CopiedAnswer> Answers { get; } = [];

    public CopiedAnswer Last => Answers[^1];

    public void Answer(long ticket, in Answer answer) => Answers.Add(new CopiedAnswer(ticket, answer.Outcome, answer.Number, CopiedEntry.Of(answer.Entry), answer.Statistics));
}

public sealed record CopiedAnswer(long Ticket, Outcome Outcome, long Number, CopiedEntry? Entry, PartitionStatistics? Statistics);

public sealed record CopiedEntry(string Key, byte[] Value, ulong Version, long ExpiresAt, long SlidingMs, uint Flags, EntryKind Kind, string ContentType, string Tags, int SizeBytes)
{
    public static CopiedEntry? Of(EntryView entry)
    {
        if (entry.IsEmpty)
        {
            return null;
        }

        var value = new byte[entry.ValueLength];
        if (entry.Large is { } large)
        {
            large.CopyTo(0, value);
        }
        else
        {
            entry.Value.CopyTo(value);
        }

        return new CopiedEntry(
            Text(entry.Key), value, entry.Version, entry.ExpiresAt, entry.SlidingMs, entry.Flags, entry.Kind, Text(entry.ContentType), Text(entry.Tags), entry.SizeBytes);
    }

    private static string Text(ReadOnlySpan<byte> bytes) => System.Text.Encoding.Latin1.GetString(bytes);
}
