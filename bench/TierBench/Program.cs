using Levee.TierBench;

// TierBench redis [redis://host:port/db] [entries] [readers]: the Redis tier's demotions and reads beside redis-benchmark on the same server. Without a server it starts one of its own.
// The verbs are in files of their own; another tier adds its own here.
return args.ElementAtOrDefault(0) switch
{
    "redis" => await RedisBench.RunAsync(args.AsMemory(1)),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("Usage: TierBench redis [redis://host:port/db] [entries, 1000000] [readers, 1024]");
    return 2;
}
