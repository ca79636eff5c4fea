using Levee.Segments;
using Xunit;

namespace Levee.Tests.Segments;

/// <summary>An index beside a dictionary, and random operations on both, with a count of every case that they reached.</summary>
internal sealed class SegmentIndexModel(int seed) : IDisposable
{
    private readonly Random random = new(seed);
    private readonly SegmentIndex index = new(256, (ulong)seed * 0x9E3779B97F4A7C15);
    private readonly Dictionary<ulong, IndexEntry> entries = [];
    private readonly List<ulong> hashes = [];

    public int Added { get; private set; }

    public int Replaced { get; private set; }

    public int Found { get; private set; }

    public int Missed { get; private set; }

    public int Removed { get; private set; }

    public int RemovedNothing { get; private set; }

    public int Updated { get; private set; }

    public int NotUpdated { get; private set; }

    public int VisitedKept { get; private set; }

    public int VisitedRemoved { get; private set; }

    public int VisitedUpdated { get; private set; }

    public int Grown { get; private set; }

    public int Shrunk { get; private set; }

    public int Cleared { get; private set; }

    public void Step(bool growing)
    {
        var held = index.HeldBytes;
        var choice = random.Next(1000);
        if (choice < (growing ? 450 : 150))
        {
            Set();
        }
        else if (choice < (growing ? 600 : 700))
        {
            Remove();
        }
        else if (choice < 800)
        {
            Find();
        }
        else if (choice < 995)
        {
            Update();
        }
        else if (random.Next(300) > 0)
        {
            Visit();
        }
        else
        {
            index.Clear();
            entries.Clear();
            hashes.Clear();
            Cleared++;
        }

        Grown += index.HeldBytes > held ? 1 : 0;
        Shrunk += index.HeldBytes < held ? 1 : 0;
        Assert.Equal(entries.Count, index.Count);
    }

    public void CheckAll()
    {
        index.CheckInvariants();
        foreach (var (hash, entry) in entries)
        {
            Assert.True(index.TryFind(hash, out var found));
            Assert.Equal(entry, found);
        }
    }

    public void Dispose() => index.Dispose();

    public override string ToString() =>
        $"added {Added}, replaced {Replaced}, found {Found}, missed {Missed}, removed {Removed} and nothing {RemovedNothing}, updated {Updated} and not {NotUpdated}, "
        + $"visited: kept {VisitedKept}, removed {VisitedRemoved}, updated {VisitedUpdated}; grown {Grown}, shrunk {Shrunk}, cleared {Cleared}, {entries.Count} left";

    private ulong AnyHash() => (ulong)random.NextInt64(long.MinValue, long.MaxValue);

    /// <summary>Mostly a hash that was once added; else a new one, sometimes of a family whose highest bits are all the same.</summary>
    private ulong Hash() => random.Next(10) switch
    {
        < 6 when hashes.Count > 0 => hashes[random.Next(hashes.Count)],
        6 => AnyHash() & 0xFFFF,
        7 => AnyHash() & 3,
        _ => AnyHash(),
    };

    private SegmentLocation Location()
    {
        var flags = (LocationFlags)random.Next(16);
        return random.Next(3) == 0
            ? SegmentLocation.InBuffer(random.NextInt64(), flags)
            : SegmentLocation.InSegment(random.Next(1, 1 << 26), random.Next(1 << 23) * 8L, random.Next(1 << 26), flags);
    }

    private void Set()
    {
        var entry = new IndexEntry(Hash(), Location(), (uint)random.NextInt64(1L << 32));
        var had = entries.TryGetValue(entry.Hash, out var before);
        Assert.Equal(had, index.Set(entry, out var replaced));
        Assert.Equal(before, replaced);
        entries[entry.Hash] = entry;
        if (!had)
        {
            hashes.Add(entry.Hash);
        }

        _ = had ? Replaced++ : Added++;
    }

    private void Find()
    {
        var hash = Hash();
        var has = entries.TryGetValue(hash, out var entry);
        Assert.Equal(has, index.TryFind(hash, out var found));
        Assert.Equal(entry, found);
        _ = has ? Found++ : Missed++;
    }

    private void Remove()
    {
        var hash = Hash();
        var had = entries.Remove(hash, out var entry);
        Assert.Equal(had, index.Remove(hash, out var removed));
        Assert.Equal(entry, removed);
        _ = had ? Removed++ : RemovedNothing++;
    }

    private void Update()
    {
        var hash = Hash();
        var to = Location();
        var has = entries.TryGetValue(hash, out var entry);
        var isExpected = has && random.Next(2) == 0;
        var expected = isExpected ? entry.Location.With((LocationFlags)random.Next(16)) : new SegmentLocation(entry.Location.Bits ^ (1UL << random.Next(4, 64)));
        Assert.Equal(isExpected, index.TryUpdate(hash, expected, to));
        if (isExpected)
        {
            entries[hash] = entry with { Location = to };
        }

        _ = isExpected ? Updated++ : NotUpdated++;
    }

    private void Visit()
    {
        var table = random.Next(5) == 0 ? 0 : random.Next(index.TableCount);
        var seen = new HashSet<ulong>();
        var visitor = new Visitor(this, seen);
        var expected = entries.Keys.Where(hash => index.TableOf(hash) == table).ToHashSet();
        index.Visit(table, ref visitor);
        Assert.Equal(expected, seen);
        Assert.Equal(expected.Count, visitor.Visited);
    }

    private struct Visitor(SegmentIndexModel model, HashSet<ulong> seen) : IIndexVisitor
    {
        public int Visited { get; private set; }

        public IndexAction Visit(ref IndexEntry entry)
        {
            Visited++;
            seen.Add(entry.Hash);
            Assert.Equal(model.entries[entry.Hash], entry);
            switch (model.random.Next(3))
            {
                case 0:
                    model.VisitedKept++;
                    return IndexAction.Keep;
                case 1:
                    model.VisitedRemoved++;
                    model.entries.Remove(entry.Hash);
                    return IndexAction.Remove;
                default:
                    model.VisitedUpdated++;
                    entry = entry with { Location = model.Location(), ExpiresAtSeconds = (uint)model.random.Next() };
                    model.entries[entry.Hash] = entry;
                    return IndexAction.Update;
            }
        }
    }
}
