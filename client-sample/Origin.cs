namespace Levee.ClientSample;

/// <summary>
/// The truth behind the cache: stands for a database. Everything is in memory and the same at each start, and every read is made slow on purpose: a product takes 20 to 50 ms, spread evenly over the products and
/// always the same for one product; a category's page takes 80 ms.
/// </summary>
public sealed class Origin(TimeProvider time)
{
    /// <summary>How many products there are.</summary>
    public const int ProductCount = 10_000;

    private const int PageSize = 20;
    private static readonly TimeSpan PageTime = TimeSpan.FromMilliseconds(80);
    private static readonly string[] Adjectives = ["Plain", "Sturdy", "Folding", "Little", "Northern", "Quiet", "Painted", "Second"];
    private static readonly string[] Nouns = ["Chair", "Lamp", "Kettle", "Atlas", "Ladder", "Basket", "Compass", "Blanket"];

    private readonly Product[] products = [.. Enumerable.Range(1, ProductCount).Select(Create)];
    private long reads;

    /// <summary>The categories, each with as many products as the others.</summary>
    public static IReadOnlyList<string> Categories { get; } = ["kitchen", "garden", "books", "tools", "toys", "music", "travel", "office", "sports", "light"];

    /// <summary>How many reads it had to answer: what a cache is to keep away from it.</summary>
    public long Reads => Interlocked.Read(ref reads);

    /// <summary>Reads a product; null where there is none.</summary>
    public async Task<Product?> FindAsync(int id, CancellationToken cancellation)
    {
        if (id is < 1 or > ProductCount)
        {
            return null;
        }

        Interlocked.Increment(ref reads);
        await Task.Delay(TimeOf(id), time, cancellation);
        return Volatile.Read(ref products[id - 1]);
    }

    /// <summary>Reads the products of a category, 20 to a page, the first page being 1.</summary>
    public async Task<Product[]> ListAsync(string category, int page, CancellationToken cancellation)
    {
        Interlocked.Increment(ref reads);
        await Task.Delay(PageTime, time, cancellation);
        return [.. products.Where(product => product.Category == category).Skip((page - 1) * PageSize).Take(PageSize)];
    }

    /// <summary>Changes a product.</summary>
    /// <returns>What it is now; null where there is none.</returns>
    public async Task<Product?> UpdateAsync(int id, ProductUpdate update, CancellationToken cancellation)
    {
        if (id is < 1 or > ProductCount)
        {
            return null;
        }

        await Task.Delay(TimeOf(id), time, cancellation);
        while (true)
        {
            var before = Volatile.Read(ref products[id - 1]);
            var after = before with { Price = update.Price };
            if (Interlocked.CompareExchange(ref products[id - 1], after, before) == before)
            {
                return after;
            }
        }
    }

    /// <summary>20 to 50 ms.</summary>
    private static TimeSpan TimeOf(int id) => TimeSpan.FromMilliseconds(20 + (Scatter(id) % 31));

    private static Product Create(int id)
    {
        var name = $"{Adjectives[Scatter(id) % Adjectives.Length]} {Nouns[Scatter(id + ProductCount) % Nouns.Length]} {id}";
        var text = string.Join(' ', Enumerable.Repeat($"The {name} is made to last and comes in a box of its own.", 9));
        return new Product(id, name, Categories[id % Categories.Count], 1 + (Scatter(id) % 20_000 / 100m), text);
    }

    /// <summary>A number that looks random and is always the same for an id: the product of Knuth's multiplicative hash, without its low bits.</summary>
    private static int Scatter(int id) => (int)((uint)id * 2654435761u >> 8);
}
