using Levee.Tiers.Stores;
using Xunit;

namespace Levee.Tiers.Tests.Stores;

/// <summary>The contract over a folder, and what only files have.</summary>
public sealed class FileSegmentStoreTests : SegmentStoreContract
{
    private readonly string root = Directory.CreateTempSubdirectory("levee-files-").FullName;

    [Theory]
    [InlineData("../outside")]
    [InlineData("x/../../outside")]
    [InlineData("/dev/null/outside")]
    [InlineData("x//y")]
    [InlineData("")]
    [InlineData("x\0y")]
    public async Task A_name_that_leads_elsewhere_is_refused(string name)
    {
        await using var store = await OpenAsync("a");
        await Assert.ThrowsAsync<ArgumentException>(() => WriteAsync(store, name, Bytes(10)));
        await Assert.ThrowsAsync<ArgumentException>(() => store.ReadAsync(name, 0, new byte[10], Cancellation).AsTask());
        await Assert.ThrowsAsync<ArgumentException>(() => store.DeleteAsync(name, Cancellation));
        Assert.Empty(Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_file_of_another_volume_is_copied_whole()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Directory.Exists("/dev/shm"), "needs a second volume");
        var elsewhere = Directory.CreateTempSubdirectory("levee-files-").FullName;
        var path = Path.Combine("/dev/shm", $"levee-content-{Environment.ProcessId}");
        var bytes = Bytes(300_000);
        await File.WriteAllBytesAsync(path, bytes, Cancellation);
        await using (var store = new FileSegmentStore(elsewhere))
        {
            await store.WriteAsync("x/segment", new SegmentContent(path, 200_000), Cancellation);
            Assert.Equal(bytes[..200_000], await ReadAsync(store, "x/segment", 0, 300_000));
            Assert.Equal([("x/segment", 200_000L)], await ListAsync(store, ""));
        }

        File.Delete(path);
        Directory.Delete(elsewhere, recursive: true);
    }

    [Fact]
    public async Task More_objects_are_read_than_files_are_kept_open()
    {
        await using var store = new FileSegmentStore(root, maxOpenFiles: 2);
        for (var i = 0; i < 20; i++)
        {
            await WriteAsync(store, $"x/{i}", [(byte)i]);
        }

        await Parallel.ForEachAsync(Enumerable.Range(0, 2000), Cancellation, async (i, _) => Assert.Equal([(byte)(i % 20)], (await ReadAsync(store, $"x/{i % 20}", 0, 10))!));
    }

    protected override Task<ISegmentStore> OpenAsync(string space) => Task.FromResult<ISegmentStore>(new FileSegmentStore(Path.Combine(root, space)));

    protected override void Dispose(bool disposing)
    {
        Directory.Delete(root, recursive: true);
        base.Dispose(disposing);
    }
}
