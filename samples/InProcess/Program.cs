// README.md shows this program from the next line on; a test keeps them equal.
using System.Text;
using Levee.Caching;
using Levee.Hosting;
using Levee.Operations;

await using var cache = new LeveeCache(new CacheOptions { MemoryBytes = 64L << 20 });

// A hit into your own buffer allocates nothing.
cache.Set("greeting", "hello"u8, new EntryOptions { Ttl = TimeSpan.FromMinutes(1) });
var buffer = new byte[1024];
if (cache.TryGet("greeting", buffer, out var length))
{
    Console.WriteLine(Encoding.UTF8.GetString(buffer, 0, length));
}

// Tags: whatever was computed from user 7 is invalid from now on.
cache.Set("profile:7", "..."u8, new EntryOptions { Tags = ["user:7"], SlidingTtl = TimeSpan.FromMinutes(20) });
cache.RemoveByTag("user:7");

// Versions: write only over what you have read. Nothing is dropped in silence: the result says what became of it.
if (cache.TryGetEntry("greeting", out var entry))
{
    var written = cache.Set("greeting", "good evening"u8, EntryOptions.IfVersion(entry.Version));
    Console.WriteLine(written.Outcome == Outcome.Stored ? "stored" : $"not stored: {written.Outcome}");
}

var statistics = cache.GetStatistics();
Console.WriteLine($"{statistics.Hits} hits, {statistics.HeldBytes} bytes held");
