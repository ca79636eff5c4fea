using Microsoft.Win32.SafeHandles;

namespace Levee.Tiers.Stores;

/// <summary>A bounded set of files that are kept open for reading. Which one goes when it is full is decided by a clock hand: one that was used since it last passed stays. Safe for threads.</summary>
internal sealed class OpenHandles(int capacity) : IDisposable
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, Opened> files = [];
    private readonly Queue<Opened> hand = new();

    /// <summary>A file that is open. Its handle may be closed at any time; who reads with it then gets an <see cref="ObjectDisposedException"/>.</summary>
    public Opened Get(string name, string path)
    {
        lock (gate)
        {
            if (files.TryGetValue(name, out var file))
            {
                file.IsUsed = true;
                return file;
            }
        }

        var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.Asynchronous | FileOptions.RandomAccess);
        var opened = new Opened(name, handle, RandomAccess.GetLength(handle));
        lock (gate)
        {
            if (files.TryGetValue(name, out var other))
            {
                handle.Dispose();
                return other;
            }

            files.Add(name, opened);
            hand.Enqueue(opened);
            while (files.Count > capacity || hand.Count > 2 * capacity)
            {
                MoveHand();
            }

            return opened;
        }
    }

    public void Forget(string name)
    {
        lock (gate)
        {
            if (files.Remove(name, out var file))
            {
                file.Handle.Dispose();
            }
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            foreach (var file in files.Values)
            {
                file.Handle.Dispose();
            }

            files.Clear();
            hand.Clear();
        }
    }

    private void MoveHand()
    {
        var file = hand.Dequeue();
        if (files.GetValueOrDefault(file.Name) != file)
        {
            return;
        }

        if (file.IsUsed)
        {
            file.IsUsed = false;
            hand.Enqueue(file);
            return;
        }

        files.Remove(file.Name);
        file.Handle.Dispose();
    }

    public sealed class Opened(string name, SafeFileHandle handle, long length)
    {
        public string Name { get; } = name;

        public SafeFileHandle Handle { get; } = handle;

        public long Length { get; } = length;

        public bool IsUsed { get; set; }
    }
}
