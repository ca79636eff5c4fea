using Levee.Operations;

namespace Levee.Server.Http;

/// <summary>An <see cref="Answer"/> that may be kept. Dispose it to give its entry back.</summary>
internal readonly record struct KeptAnswer(Outcome Outcome, long Number, EntryCopy? Entry, PartitionStatistics? Statistics, EntryExplanation? Explanation) : IDisposable
{
    public void Dispose() => Entry?.Dispose();
}
