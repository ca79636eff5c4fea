using Levee.TierBench;

// TierBench redis [redis://host:port/db] [entries] [readers]: the Redis tier's demotions and reads beside redis-benchmark on the same server. Without a server it starts one of its own.
// TierBench lru keys capacity exponent warmup requests: the hit ratio of an LRU of that many entries under Zipf, after every key was written once in order; what misses is written.
// The verbs are in files of their own; another tier adds its own here.
return args.ElementAtOrDefault(0) switch
{
    "redis" => await RedisBench.RunAsync(args.AsMemory(1)),
    "lru" => LruSimulation.Run(args.AsSpan(1)),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("Usage: TierBench redis [redis://host:port/db] [entries, 1000000] [readers, 1024]");
    Console.Error.WriteLine("       TierBench lru <keys> <capacity> <exponent> <warm-up requests> <requests>");
    return 2;
}
