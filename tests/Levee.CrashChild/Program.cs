using System.Diagnostics;
using Levee.CrashChild;
using Levee.Hosting;
using Levee.Tiers;

const long MemoryBytes = 4L << 20;

var options = ChildOptions.Parse(args);
using var frames = new FrameWriter();
try
{
    using var folder = FolderLock.Take(options.Folder);
    var failpoints = new Failpoints(options, frames);
    var time = options.ClockBackMs == 0 ? TimeProvider.System : new SetBackClock(TimeSpan.FromMilliseconds(options.ClockBackMs));
    var cache = new CacheOptions { Name = ChildTiers.CacheName, MemoryBytes = MemoryBytes, Partitions = 2, IsTiny = true, WritesThrough = options.WritesThrough };
    var chain = await ChildTiers.OpenAsync(options, cache.EffectivePartitions, time, new ErrorLog(), failpoints.Pass);
    var host = new LockHost(cache, time, chain, options.Seed);
    new Load(options, host, chain, frames).Run();
    return 0;
}
catch (Exception failure) when (failure is not OutOfMemoryException)
{
    frames.Write(FrameKind.Problem, failure.ToString());
}

// Whoever comes here has failed, and the parent is told by the exit code as well.
return Debugger.IsAttached ? 1 : 3;
