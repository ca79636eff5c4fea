using System.Buffers.Text;
using System.Text;
using Levee.Memory;
using Levee.Operations;

namespace Levee.Caching;

/// <summary>
/// The sink of <see cref="LeveeCache"/>: takes from an answer, while the partition is held, what its caller asked for. One per thread, used again and again; a caller's own code
/// (a buffer writer) never runs while the partition is held, and may call the cache, as the copy is off its place for as long as it is in use.
/// A large value is taken by reference and copied afterwards.
/// </summary>
internal sealed unsafe class AnswerCopy : IAnswerSink
{
    [ThreadStatic]
    private static AnswerCopy? idle;

    private readonly byte[] inline = GC.AllocateUninitializedArray<byte>(Limits.MaxInlineBytes);
    private byte* destination;
    private int destinationLength;
    private byte[] prefix = [];
    private Want want;

    /// <summary>What of an entry to copy.</summary>
    public enum Want : byte
    {
        Outcome,
        Value,
        Entry,
        Keys,
    }

    public Outcome Outcome { get; private set; }

    public long Number { get; private set; }

    public ulong Version { get; private set; }

    public int Length { get; private set; }

    public EntryKind Kind { get; private set; }

    public LargeValue? Large { get; private set; }

    public CacheEntry? Entry { get; private set; }

    public PartitionStatistics? Statistics { get; private set; }

    public List<CacheKey> Keys { get; } = [];

    /// <summary>The value where it is inline and no destination was given.</summary>
    public ReadOnlySpan<byte> Inline => inline.AsSpan(0, Length);

    public static AnswerCopy Rent(Want want)
    {
        var copy = idle ?? new AnswerCopy();
        idle = null;
        copy.want = want;
        return copy;
    }

    /// <summary>Lets the next caller on this thread have it.</summary>
    public void Return()
    {
        Large?.Release();
        Large = null;
        Entry = null;
        Statistics = null;
        destination = null;
        destinationLength = 0;
        idle = this;
    }

    /// <summary>An inline value goes here, and not where it does not fit. The memory must stay fixed during the call.</summary>
    public void CopyTo(byte* memory, int length)
    {
        destination = memory;
        destinationLength = length;
    }

    /// <summary>Keys that begin with this are kept.</summary>
    public void SetPrefix(string text) => prefix = Encoding.UTF8.GetBytes(text);

    public void Answer(long ticket, in Answer answer)
    {
        Outcome = answer.Outcome;
        Number = answer.Number;
        Statistics = answer.Statistics;
        if (answer.Entry.IsEmpty)
        {
            Version = 0;
            return;
        }

        Version = answer.Entry.Version;
        switch (want)
        {
            case Want.Value:
                CopyValue(answer.Entry);
                break;
            case Want.Entry:
                CopyValue(answer.Entry);
                CopyMetadata(answer.Entry);
                break;
            case Want.Keys when answer.Entry.Key.StartsWith(prefix):
                Keys.Add(new CacheKey(answer.Entry.Key));
                break;
        }
    }

    /// <summary>The value as an array of its own.</summary>
    public byte[] ToArray()
    {
        if (Large is null)
        {
            return Inline.ToArray();
        }

        var value = GC.AllocateUninitializedArray<byte>(Length);
        Large.CopyTo(0, value);
        return value;
    }

    /// <summary>The double that an inline value prints.</summary>
    public double ToDouble() => Utf8Parser.TryParse(Inline, out double number, out _) ? number : double.NaN;

    private void CopyValue(EntryView entry)
    {
        Length = entry.ValueLength;
        Kind = entry.Kind;
        if (entry.Large is { } large)
        {
            large.AddReference();
            Large = large;
        }
        else if (destination == null)
        {
            entry.Value.CopyTo(inline);
        }
        else if (Length <= destinationLength)
        {
            entry.Value.CopyTo(new Span<byte>(destination, destinationLength));
        }
    }

    private void CopyMetadata(EntryView entry) => Entry = CacheEntry.Of(entry);
}
