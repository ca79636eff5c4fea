using System.Security.Cryptography;
using Levee.Tiers.Stores;
using Xunit;

namespace Levee.Tiers.Tests.Stores;

/// <summary>What every <see cref="ISegmentStore"/> does. A store's tests derive from this and say how one is opened.</summary>
public abstract class SegmentStoreContract : IDisposable
{
    private readonly string scratch = Directory.CreateTempSubdirectory("levee-store-").FullName;
    private int files;

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Whether the store's test server loses races between folders that come and go: then they stay.</summary>
    protected virtual bool KeepsFolders => false;

    /// <summary>Opens a store over a space of this name: empty when this test names it first, the same one afterwards. Skips the test where the store's server is absent.</summary>
    protected abstract Task<ISegmentStore> OpenAsync(string space);

    [Fact]
    public async Task What_is_written_is_read_in_ranges()
    {
        await using var store = await OpenAsync("a");
        var bytes = Bytes(100_000);
        await WriteAsync(store, "segment", bytes);
        Assert.Equal(bytes, await ReadAsync(store, "segment", 0, 100_000));
        Assert.Equal(bytes[..10], await ReadAsync(store, "segment", 0, 10));
        Assert.Equal(bytes[5..6], await ReadAsync(store, "segment", 5, 1));
        Assert.Equal(bytes[33_333..77_777], await ReadAsync(store, "segment", 33_333, 44_444));
        Assert.Equal(bytes[99_999..], await ReadAsync(store, "segment", 99_999, 1));
    }

    [Fact]
    public async Task A_read_ends_where_the_object_ends()
    {
        await using var store = await OpenAsync("a");
        var bytes = Bytes(1000);
        await WriteAsync(store, "segment", bytes);
        Assert.Equal(bytes[900..], await ReadAsync(store, "segment", 900, 4096));
        Assert.Equal(bytes, await ReadAsync(store, "segment", 0, 65_536));
        Assert.Empty((await ReadAsync(store, "segment", 1000, 10))!);
        Assert.Empty((await ReadAsync(store, "segment", 1_000_000, 10))!);
    }

    [Fact]
    public async Task A_read_writes_nothing_behind_what_it_read()
    {
        await using var store = await OpenAsync("a");
        await WriteAsync(store, "segment", Bytes(100));
        var destination = Enumerable.Repeat((byte)0xEE, 300).ToArray();
        Assert.Equal(100, await store.ReadAsync("segment", 0, destination, Cancellation));
        Assert.All(destination[100..], b => Assert.Equal(0xEE, b));
    }

    [Fact]
    public async Task An_object_that_is_missing_reads_as_minus_one()
    {
        await using var store = await OpenAsync("a");
        Assert.Null(await ReadAsync(store, "none", 0, 10));
        Assert.Null(await ReadAsync(store, "no/such/folder/none", 5, 10));
        await WriteAsync(store, "other", Bytes(10));
        Assert.Null(await ReadAsync(store, "othe", 0, 10));
    }

    [Fact]
    public async Task Only_the_content_s_length_counts_and_not_the_file_s()
    {
        await using var store = await OpenAsync("a");
        var bytes = Bytes(50_000);
        await store.WriteAsync("segment", new SegmentContent(FileOf(bytes), 12_345), Cancellation);
        Assert.Equal(bytes[..12_345], await ReadAsync(store, "segment", 0, 50_000));
        Assert.Equal([("segment", 12_345L)], await ListAsync(store, ""));
    }

    [Fact]
    public async Task A_second_write_replaces_the_first_also_with_less()
    {
        await using var store = await OpenAsync("a");
        await WriteAsync(store, "segment", Bytes(5000));
        var bytes = Bytes(70);
        await WriteAsync(store, "segment", bytes);
        Assert.Equal(bytes, await ReadAsync(store, "segment", 0, 5000));
        Assert.Equal([("segment", 70L)], await ListAsync(store, ""));
    }

    [Fact]
    public async Task What_is_deleted_is_gone_and_deleting_again_is_as_good()
    {
        await using var store = await OpenAsync("a");
        await WriteAsync(store, "x/1", Bytes(10));
        await WriteAsync(store, "x/2", Bytes(20));
        await store.DeleteAsync("x/1", Cancellation);
        await store.DeleteAsync("x/1", Cancellation);
        await store.DeleteAsync("never/there", Cancellation);
        Assert.Null(await ReadAsync(store, "x/1", 0, 10));
        Assert.Equal([("x/2", 20L)], await ListAsync(store, ""));
    }

    [Fact]
    public async Task Names_are_listed_by_what_they_begin_with_and_slashes_are_nothing_special()
    {
        await using var store = await OpenAsync("a");
        string[] names = ["a/b/c", "a/bc", "ab", "A/b", "levee-1_x.seg/00000001.segment", new string('n', 190)];
        foreach (var name in names)
        {
            await WriteAsync(store, name, Bytes(name.Length));
        }

        Assert.Equal(names.Order(StringComparer.Ordinal).Select(name => (name, (long)name.Length)), await ListAsync(store, ""));
        Assert.Equal(["a/b/c", "a/bc"], (await ListAsync(store, "a/")).Select(found => found.Name));
        Assert.Equal(["a/b/c", "a/bc"], (await ListAsync(store, "a/b")).Select(found => found.Name));
        Assert.Equal(["a/b/c"], (await ListAsync(store, "a/b/")).Select(found => found.Name));
        Assert.Equal(["a/b/c", "a/bc", "ab"], (await ListAsync(store, "a")).Select(found => found.Name));
        Assert.Empty(await ListAsync(store, "b"));
        Assert.Empty(await ListAsync(store, "a/b/c/d"));
        foreach (var name in names)
        {
            Assert.Equal(name.Length, (await ReadAsync(store, name, 0, 300))!.Length);
        }
    }

    [Fact]
    public async Task A_list_has_every_object_once_also_beyond_a_thousand()
    {
        await using var store = await OpenAsync("a");
        var content = new SegmentContent(FileOf(Bytes(7)), 7);
        string[] names = [.. Enumerable.Range(0, 1100).Select(i => $"many/{i:D5}")];
        await WriteAsync(store, "many/more", Bytes(1));
        await Parallel.ForEachAsync(names, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Cancellation }, async (name, cancellation) =>
        {
            // A store may take a file away, so each write has its own.
            var own = Path.Combine(scratch, name.Replace('/', '-'));
            File.Copy(content.Path, own);
            await store.WriteAsync(name, content with { Path = own }, cancellation);
        });
        Assert.Equal([.. names, "many/more"], (await ListAsync(store, "many/")).Select(found => found.Name));
        Assert.Equal(1101, (await ListAsync(store, "")).Count);
        Assert.Equal(100, (await ListAsync(store, "many/010")).Count);
    }

    [Fact]
    public async Task A_list_tells_when_objects_were_written()
    {
        await using var store = await OpenAsync("a");
        var before = TimeProvider.System.GetUtcNow();
        await WriteAsync(store, "segment", Bytes(10));
        await foreach (var found in store.ListAsync("", Cancellation))
        {
            Assert.InRange(found.WrittenAt, before.AddMinutes(-1), TimeProvider.System.GetUtcNow().AddMinutes(1));
        }
    }

    [Fact]
    public async Task What_one_store_wrote_another_reads_and_other_spaces_do_not_show()
    {
        var bytes = Bytes(1000);
        await using (var first = await OpenAsync("a"))
        {
            await WriteAsync(first, "x/segment", bytes);
        }

        await using var second = await OpenAsync("a");
        await using var other = await OpenAsync("b");
        Assert.Equal(bytes, await ReadAsync(second, "x/segment", 0, 1000));
        Assert.Equal([("x/segment", 1000L)], await ListAsync(second, "x"));
        Assert.Null(await ReadAsync(other, "x/segment", 0, 1000));
        Assert.Empty(await ListAsync(other, ""));
    }

    [Fact]
    public async Task Many_read_at_once()
    {
        await using var store = await OpenAsync("a");
        var bytes = Bytes(4 << 20);
        await WriteAsync(store, "segment", bytes);
        await Task.WhenAll(Enumerable.Range(0, 64).Select(async i =>
        {
            var offset = i * 60_001;
            Assert.Equal(bytes[offset..(offset + 65_536)], await ReadAsync(store, "segment", offset, 65_536));
        }));
    }

    [Fact]
    public async Task Writes_deletes_and_reads_of_different_objects_do_not_disturb_each_other()
    {
        await using var store = await OpenAsync("a");
        for (var folder = 0; KeepsFolders && folder < 3; folder++)
        {
            await WriteAsync(store, $"{folder}/kept", Bytes(1));
        }

        await Task.WhenAll(Enumerable.Range(0, 16).Select(async i =>
        {
            for (var round = 0; round < 4; round++)
            {
                var bytes = Bytes(10_000 + i);
                await WriteAsync(store, $"{i % 3}/{i}", bytes);
                Assert.Equal(bytes, await ReadAsync(store, $"{i % 3}/{i}", 0, 20_000));
                if (round < 3)
                {
                    await store.DeleteAsync($"{i % 3}/{i}", Cancellation);
                    Assert.Null(await ReadAsync(store, $"{i % 3}/{i}", 0, 1));
                }
            }
        }));
        Assert.Equal(16, (await ListAsync(store, "")).Count(found => !found.Name.EndsWith("kept", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Cancellation_passes_through_and_leaves_nothing_behind()
    {
        await using var store = await OpenAsync("a");
        await WriteAsync(store, "there", Bytes(10));
        var cancelled = new CancellationToken(canceled: true);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.WriteAsync("segment", new SegmentContent(FileOf(Bytes(10)), 10), cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.ReadAsync("there", 0, new byte[10], cancelled).AsTask());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.DeleteAsync("there", cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var found in store.ListAsync("", cancelled))
            {
                Assert.Fail($"{found} was listed");
            }
        });
        Assert.Equal([("there", 10L)], await ListAsync(store, ""));
    }

    [Fact]
    public async Task A_store_says_what_and_where_it_is()
    {
        await using var store = await OpenAsync("a");
        Assert.NotEmpty(store.Kind);
        Assert.NotEmpty(store.Location);
        Assert.DoesNotContain('@', store.Location);
    }

    /// <summary>Takes away what a test has made.</summary>
    protected virtual void Dispose(bool disposing) => Directory.Delete(scratch, recursive: true);

    protected static byte[] Bytes(int count) => RandomNumberGenerator.GetBytes(count);

    protected Task WriteAsync(ISegmentStore store, string name, byte[] bytes) => store.WriteAsync(name, new SegmentContent(FileOf(bytes), bytes.Length), Cancellation);

    /// <summary>What a read gives; null where it says that there is no such object.</summary>
    protected static async Task<byte[]?> ReadAsync(ISegmentStore store, string name, long offset, int count)
    {
        var destination = new byte[count];
        var read = await store.ReadAsync(name, offset, destination, Cancellation);
        return read < 0 ? null : destination[..read];
    }

    protected static async Task<List<(string Name, long Length)>> ListAsync(ISegmentStore store, string prefix)
    {
        var list = new List<(string Name, long Length)>();
        await foreach (var found in store.ListAsync(prefix, Cancellation))
        {
            list.Add((found.Name, found.Length));
        }

        list.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        return list;
    }

    protected string FileOf(byte[] bytes)
    {
        var path = Path.Combine(scratch, $"content-{Interlocked.Increment(ref files)}");
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
