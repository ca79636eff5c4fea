using System.Collections.Concurrent;
using System.Diagnostics;
using Levee.Memory;

namespace Levee.Server;

/// <summary>
/// Those who read large values out of a cache's memory. A value that the cache has dropped stays as long as somebody reads it; where such
/// values take too much
/// (<see cref="LargeValueStore.IsPressed"/>), readers that have not taken anything of theirs for a moment let go of them, and are closed. A
/// value that the cache still holds costs nothing more for
/// being read, by whoever and however slowly.
/// </summary>
internal sealed class SlowReaders : IDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    private readonly ConcurrentDictionary<ISlowReader, bool> readers = new();
    private readonly List<LargeValueStore> stores = [];
    private readonly Timer timer;
    private int isDue;

    public SlowReaders() => timer = new Timer(
        static readers => ((SlowReaders)readers!).AskToLetGo(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    /// <summary>Whether a reader has taken nothing for longer than <see cref="StagingArea.Patience"/>.</summary>
    /// <param name="lastSent">When it took something, as <see cref="Stopwatch.GetTimestamp"/> tells it.</param>
    public static bool IsStalled(long lastSent) => Stopwatch.GetElapsedTime(lastSent) >= StagingArea.Patience;

    /// <summary>Looks after the values of a cache; before anybody reads.</summary>
    public void Watch(LargeValueStore store)
    {
        stores.Add(store);
        store.Pressed += OnPressed;
    }

    public void Add(ISlowReader reader) => readers[reader] = true;

    public void Remove(ISlowReader reader) => readers.TryRemove(reader, out _);

    public void Dispose()
    {
        foreach (var store in stores)
        {
            store.Pressed -= OnPressed;
        }

        timer.Dispose();
    }

    /// <summary>Called while a partition is held.</summary>
    private void OnPressed()
    {
        if (!readers.IsEmpty && Interlocked.Exchange(ref isDue, 1) == 0)
        {
            timer.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
    }

    private void AskToLetGo()
    {
        if (!stores.Exists(static store => store.IsPressed) || readers.IsEmpty)
        {
            Volatile.Write(ref isDue, 0);
            return;
        }

        foreach (var (reader, _) in readers)
        {
            reader.LetGo();
        }

        timer.Change(Poll, Timeout.InfiniteTimeSpan);
    }
}

/// <summary>A client that reads large values.</summary>
internal interface ISlowReader
{
    /// <summary>Lets go of values that no entry holds any more, where the client is stalled; from any thread.</summary>
    void LetGo();
}
