using System.Security.Cryptography;
using Levee.Codec;
using Levee.Storage.S3;
using Levee.Tiers;
using Levee.Tiers.Redis;
using Levee.Tiers.Segments;
using Levee.Tiers.Stores;
using Microsoft.Extensions.Logging;

namespace Levee.CrashChild;

/// <summary>Makes the child's tiers as TierChainFactory would, but small, so that segments fill, are handed over and are given up all the time; and with what is to be switched off switched off.</summary>
internal static class ChildTiers
{
    public const string CacheName = "crash";

    public static async Task<TierChain> OpenAsync(ChildOptions options, int partitions, TimeProvider time, ILogger logger, Action<string> failpoint)
    {
        var addresses = options.Tiers.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var tiers = new List<ITier>();
        for (var i = 0; i < addresses.Length; i++)
        {
            if (!TierAddress.TryParse(addresses[i], out var address))
            {
                throw new ArgumentException($"{addresses[i]} is no tier's address.", nameof(options));
            }

            var tier = Create(address, i, options, time, logger, failpoint);
            tiers.Add(options.Sabotage.Length == 0 ? tier : new SabotagedTier(tier, options.Sabotage));
        }

        var chain = new TierChain(CacheName, partitions, tiers, time, logger);
        await chain.StartAsync(CancellationToken.None);
        return chain;
    }

    private static ITier Create(TierAddress address, int index, ChildOptions options, TimeProvider time, ILogger logger, Action<string> failpoint)
    {
        var folder = Path.Combine(options.Folder, $"tier{index + 1}-{address.Kind}");
        Directory.CreateDirectory(folder);
        var context = new TierContext
        {
            StateFolder = folder,
            CapacityBytes = options.CapacityBytes,
            Codec = options.IsEncoded ? Encoded() : RecordCodec.Plain,
            Time = time,
            Logger = logger,
            Failpoint = failpoint,
        };
        var packing = new SegmentTierOptions
        {
            SegmentBytes = options.SegmentBytes,
            Linger = TimeSpan.FromMilliseconds(300),
            BufferBytes = 1 << 20,
            LargeBytes = 2 << 20,
            CleanBelow = 0.5,
            CleanWhenOldestAbove = 0.3,
        };
        return address.Kind switch
        {
            "file" => new SegmentTier(new FileSegmentStore(address.Uri?.LocalPath ?? Path.Combine(options.Folder, "segments")), context, packing),
            "redis" => new RedisTier(RedisOptions.Parse(address.Uri!), context),
            _ => new SegmentTier(new GuardedStore(new S3SegmentStore(S3StoreOptions.Parse(address.Uri!.OriginalString)), new GuardOptions(), time), context, packing),
        };
    }

    private static TierCodec Encoded()
    {
        var ring = new KeyRing(new EncryptionKey("crash", SHA256.HashData("a key for a test"u8)));
        return new TierCodec(new CodecOptions { Compression = new CompressionOptions(CompressionAlgorithm.Brotli), Keys = () => ring, Context = CacheName });
    }
}
