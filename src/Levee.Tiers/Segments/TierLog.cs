using Microsoft.Extensions.Logging;

namespace Levee.Tiers.Segments;

/// <summary>What the segment tier logs: no keys, values or secrets.</summary>
internal static partial class TierLog
{
    [LoggerMessage(EventId = 3101, Level = LogLevel.Warning, Message = "The tier's content is given up and a new generation begins: {Reason}.")]
    public static partial void GivenUp(ILogger logger, string reason);

    [LoggerMessage(EventId = 3102, Level = LogLevel.Warning, Message = "{Work} failed and will be tried again: {Problem}")]
    public static partial void Failed(ILogger logger, string work, string problem);

    [LoggerMessage(EventId = 3103, Level = LogLevel.Warning, Message = "Segment {Sequence} is missing or damaged: it and everything older is dropped.")]
    public static partial void Hole(ILogger logger, long sequence);

    [LoggerMessage(EventId = 3104, Level = LogLevel.Information, Message = "Recovered {Entries} entries from {Segments} segments in {Took}.")]
    public static partial void Recovered(ILogger logger, long entries, int segments, TimeSpan took);

    [LoggerMessage(EventId = 3105, Level = LogLevel.Error, Message = "{Work} ended with an error that was not expected; the tier's content is given up.")]
    public static partial void Broken(ILogger logger, Exception failure, string work);
}
