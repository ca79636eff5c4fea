using Microsoft.Extensions.Logging;

namespace Levee.Orleans.Silo;

/// <summary>What a silo logs.</summary>
internal sealed partial class SiloLog(ILogger logger)
{
    [LoggerMessage(1, LogLevel.Warning, "Cache {Cache}, partition {Partition}: the claim failed; the next call tries again")]
    public partial void ClaimFailed(string cache, int partition, Exception failure);

    [LoggerMessage(2, LogLevel.Information, "Cache {Cache}, partition {Partition}: claimed with epoch {Epoch}, {How}")]
    public partial void Claimed(string cache, int partition, long epoch, string how);

    [LoggerMessage(3, LogLevel.Warning, "The lease was not renewed; it is tried again")]
    public partial void LeaseNotRenewed(Exception failure);

    [LoggerMessage(4, LogLevel.Warning, "The lease had ended for {Milliseconds:0} ms before it was renewed: operations waited or missed meanwhile")]
    public partial void LeaseLapsed(double milliseconds);

    [LoggerMessage(5, LogLevel.Critical, "The membership table says that silo {Silo} is dead: it answers nothing any more")]
    public partial void LeaseLost(string silo);

    [LoggerMessage(6, LogLevel.Information, "Cache {Cache}, partition {Partition}: moving to {Silo}")]
    public partial void Moving(string cache, int partition, string silo);

    [LoggerMessage(7, LogLevel.Warning, "Cache {Cache}, partition {Partition}: could not be moved; it is tried again")]
    public partial void MoveFailed(string cache, int partition, Exception failure);

    [LoggerMessage(8, LogLevel.Information, "Cache {Cache}, partition {Partition}: {Received} of {Entries} entries arrived, {Lost} lost, {Bytes} bytes in {Milliseconds:0} ms {Problem}")]
    public partial void Arrived(string cache, int partition, long received, long entries, long lost, long bytes, double milliseconds, string problem);

    [LoggerMessage(9, LogLevel.Warning, "Draining ended with {Left} partitions still here: their contents are lost")]
    public partial void NotDrained(int left);

    [LoggerMessage(10, LogLevel.Information, "Draining: {Partitions} partitions move to {Silos} silos")]
    public partial void Draining(int partitions, int silos);

    [LoggerMessage(11, LogLevel.Warning, "The clock record was not written; versions stand still until it is")]
    public partial void ClockNotReserved(Exception failure);

    [LoggerMessage(12, LogLevel.Warning, "Cache {Cache}: the configuration could not be {What}")]
    public partial void ConfigurationFailed(string cache, string what, Exception failure);

    [LoggerMessage(13, LogLevel.Debug, "Cache {Cache}: a batch of {What} could not be sent on; it is dropped and counted")]
    public partial void FeedDropped(string cache, string what, Exception failure);

    [LoggerMessage(14, LogLevel.Warning, "Silo {Silo} could not be told that this silo drains")]
    public partial void NotTold(string silo, Exception failure);

    [LoggerMessage(16, LogLevel.Warning, "Cache {Cache}: {Lost} of {Entries} entries in memory did not go down to the tiers and are lost: {Problem}")]
    public partial void NotTakenDown(string cache, long lost, long entries, string problem);

    [LoggerMessage(15, LogLevel.Warning, "Cache {Cache}: the prefetcher failed; what it was told is not learnt")]
    public partial void PrefetcherFailed(string cache, Exception failure);

    [LoggerMessage(16, LogLevel.Warning, "Cache {Cache}, partition {Partition}: silo {Silo} may still serve it and cannot say ({Reason}); "
        + "it is asked again, and the partition is opened nowhere before it answers or is dead")]
    public partial void CannotSay(string cache, int partition, string silo, string reason);

    [LoggerMessage(17, LogLevel.Error, "Background work failed and is begun again: {What}")]
    public partial void LoopFailed(string what, Exception failure);

    [LoggerMessage(18, LogLevel.Error, "Cache {Cache}: maintenance failed and goes on")]
    public partial void MaintenanceFailed(string cache, Exception failure);
}
