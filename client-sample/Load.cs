namespace Levee.ClientSample;

/// <summary>
/// Customers: half of them read with the cache, half past it, the same products in the same order. What is popular follows Zipf's law with exponent 1: the second product is asked for half as often as the first, the
/// tenth a tenth as often. One read in 2,000 is followed by a change of the product, one in 20 is of a category's first pages.
/// </summary>
public sealed class Load(Catalogue catalogue, Measurements measurements, TimeProvider time)
{
    private const int CustomersOfEach = 16;
    private readonly double[] cumulated = Cumulate();
    private int running;

    /// <summary>Whether it runs.</summary>
    public bool IsRunning => Volatile.Read(ref running) != 0;

    /// <summary>Runs for a while, with the measurements from zero; at most once at a time.</summary>
    /// <returns>False where it runs already.</returns>
    public async Task<bool> RunAsync(TimeSpan duration, CancellationToken cancellation)
    {
        if (Interlocked.Exchange(ref running, 1) != 0)
        {
            return false;
        }

        try
        {
            measurements.Reset();
            var began = time.GetTimestamp();
            var customers = Enumerable.Range(0, CustomersOfEach).SelectMany(seed => new[] { Read(seed, isCached: true), Read(seed, isCached: false) });
            await Task.WhenAll(customers);
            return true;

            // Each has its own seed, so that a run reads the same products as the run before.
            Task Read(int seed, bool isCached) => Task.Run(() => ReadAsync(new Random(seed), isCached, () => time.GetElapsedTime(began) < duration && !cancellation.IsCancellationRequested), CancellationToken.None);
        }
        finally
        {
            Volatile.Write(ref running, 0);
        }
    }

    private async Task ReadAsync(Random random, bool isCached, Func<bool> goesOn)
    {
        while (goesOn())
        {
            if (random.Next(20) == 0)
            {
                await catalogue.ListAsync(Origin.Categories[random.Next(Origin.Categories.Count)], 1 + random.Next(3), isCached, CancellationToken.None);
                continue;
            }

            var (id, isChanged) = (Popular(random), random.Next(2000) == 0);
            var product = await catalogue.FindAsync(id, isCached, CancellationToken.None);
            if (isCached && isChanged && product is not null)
            {
                await catalogue.UpdateAsync(id, new ProductUpdate(product.Price + 1), CancellationToken.None);
            }
        }
    }

    /// <summary>Rank 1 is the most popular; ranks are scattered over the ids, so that neighbours are not popular together (7,919 is a prime that does not divide the count).</summary>
    private int Popular(Random random)
    {
        var rank = Array.BinarySearch(cumulated, random.NextDouble() * cumulated[^1]);
        return 1 + (int)((rank < 0 ? ~rank : rank) * 7919L % Origin.ProductCount);
    }

    private static double[] Cumulate()
    {
        var sums = new double[Origin.ProductCount];
        var sum = 0.0;
        for (var rank = 0; rank < sums.Length; rank++)
        {
            sums[rank] = sum += 1.0 / (rank + 1);
        }

        return sums;
    }
}
