using System.Globalization;
using Levee.Cli.Bench;

namespace Levee.TierBench;

/// <summary>An LRU over keys 0 to n - 1, as a list of two arrays: what a server's hit ratio over all its tiers is compared with.</summary>
internal static class LruSimulation
{
    public static int Run(ReadOnlySpan<string> arguments)
    {
        var keys = int.Parse(arguments[0], CultureInfo.InvariantCulture);
        var lru = new Lru(keys, int.Parse(arguments[1], CultureInfo.InvariantCulture));
        var zipf = new ZipfGenerator(keys, double.Parse(arguments[2], CultureInfo.InvariantCulture));
        var warmup = long.Parse(arguments[3], CultureInfo.InvariantCulture);
        var requests = long.Parse(arguments[4], CultureInfo.InvariantCulture);
        var random = new Random(1);
        for (var key = 0; key < keys; key++)
        {
            lru.Use(key);
        }

        for (var i = 0L; i < warmup; i++)
        {
            lru.Use((int)zipf.Next(random));
        }

        var hits = 0L;
        for (var i = 0L; i < requests; i++)
        {
            hits += lru.Use((int)zipf.Next(random)) ? 1 : 0;
        }

        Console.WriteLine($"{100d * hits / requests:0.00}");
        return 0;
    }

    /// <summary>Node <c>keys</c> is the list's head; its next is the most recent, its previous the least.</summary>
    private sealed class Lru
    {
        private readonly int[] next;
        private readonly int[] previous;
        private readonly bool[] isHeld;
        private readonly int head;
        private int room;

        public Lru(int keys, int capacity)
        {
            next = new int[keys + 1];
            previous = new int[keys + 1];
            isHeld = new bool[keys];
            head = keys;
            room = capacity;
            next[head] = previous[head] = head;
        }

        public bool Use(int key)
        {
            var isHit = isHeld[key];
            if (isHit)
            {
                Unlink(key);
            }
            else if (room > 0)
            {
                room--;
            }
            else
            {
                var victim = previous[head];
                isHeld[victim] = false;
                Unlink(victim);
            }

            isHeld[key] = true;
            (next[key], previous[key]) = (next[head], head);
            previous[next[head]] = key;
            next[head] = key;
            return isHit;
        }

        private void Unlink(int key)
        {
            next[previous[key]] = next[key];
            previous[next[key]] = previous[key];
        }
    }
}
