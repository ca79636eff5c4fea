using System.Diagnostics;
using Levee.Tiers.Segments;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

public sealed class MappedFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("levee-mapped-").FullName;

    private string FilePath => Path.Combine(folder, "file");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void What_is_stored_is_the_files_at_once()
    {
        using var mapped = MappedFile.Create(FilePath, 10_000);
        Assert.Equal((10_000, FilePath), (mapped.Length, mapped.Path));
        Assert.False(mapped.Span.ContainsAnyExcept((byte)0));
        mapped.Span[9_999] = 7;
        using var reader = new FileStream(FilePath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        reader.Position = 9_999;
        Assert.Equal(7, reader.ReadByte());
        Assert.Equal(10_000, reader.Length);
    }

    [Fact]
    public void A_file_that_is_opened_again_holds_what_was_stored()
    {
        using (var mapped = MappedFile.Create(FilePath, 5_000))
        {
            mapped.Span.Fill(3);
            mapped.Flush();
            mapped.Flush();
        }

        using var again = MappedFile.Open(FilePath);
        Assert.Equal(5_000, again.Length);
        Assert.False(again.Span.ContainsAnyExcept((byte)3));
    }

    [Fact]
    public async Task Every_block_is_allocated_at_creation_and_when_a_file_with_holes_is_opened()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "stat is asked for blocks as Linux has it");
        const int Length = 4 << 20;
        using (MappedFile.Create(FilePath, Length))
        {
            Assert.InRange(await AllocatedBytes(), Length, long.MaxValue);
        }

        using (var sparse = new FileStream(FilePath, FileMode.Create))
        {
            sparse.SetLength(Length);
        }

        Assert.InRange(await AllocatedBytes(), 0, Length - 1);
        using (MappedFile.Open(FilePath))
        {
            Assert.InRange(await AllocatedBytes(), Length, long.MaxValue);
        }
    }

    [Fact]
    public void Creating_a_file_that_the_disk_has_no_room_for_is_an_exception_and_leaves_nothing()
    {
        const string SmallDisk = "/dev/shm";
        Assert.SkipUnless(OperatingSystem.IsLinux() && Directory.Exists(SmallDisk), "there is no file system that is known to be small");
        var free = new DriveInfo(SmallDisk).AvailableFreeSpace;
        Assert.SkipUnless(free < 1L << 30, $"{SmallDisk} has more room than a test should take");
        var path = Path.Combine(SmallDisk, Path.GetFileName(folder));
        Assert.ThrowsAny<IOException>(() => MappedFile.Create(path, (int)free + (64 << 20)));
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void A_file_that_is_cut_keeps_what_precedes_the_cut_and_is_not_mapped_any_more()
    {
        using var mapped = MappedFile.Create(FilePath, 10_000);
        mapped.Span.Fill(9);
        Assert.Throws<ArgumentOutOfRangeException>(() => mapped.Truncate(10_001));
        mapped.Truncate(100);
        mapped.Flush();
        Assert.Equal(100, mapped.Length);
        Assert.Throws<ObjectDisposedException>(() => mapped.Span.Length);
        Assert.Equal(Enumerable.Repeat((byte)9, 100), ReadAll());
    }

    [Fact]
    public void Creating_replaces_a_file_and_leaves_the_old_one_to_who_has_it_open()
    {
        using var old = MappedFile.Create(FilePath, 100);
        old.Span.Fill(1);
        using var mapped = MappedFile.Create(FilePath, 50);
        Assert.Equal(50, new FileInfo(FilePath).Length);
        Assert.False(old.Span.ContainsAnyExcept((byte)1));
    }

    [Fact]
    public void What_cannot_be_mapped_is_refused()
    {
        Assert.Throws<FileNotFoundException>(() => MappedFile.Open(FilePath));
        File.WriteAllBytes(FilePath, []);
        Assert.Throws<IOException>(() => MappedFile.Open(FilePath));
        Assert.Throws<ArgumentOutOfRangeException>(() => MappedFile.Create(FilePath, 0));
        Assert.ThrowsAny<IOException>(() => MappedFile.Create(Path.Combine(folder, "missing", "file"), 10));
    }

    [Fact]
    public void A_file_that_is_not_shared_is_opened_by_nobody_else()
    {
        using (MappedFile.Create(FilePath, 100, FileShare.None))
        {
            Assert.Throws<IOException>(() => MappedFile.Open(FilePath));
        }

        MappedFile.Open(FilePath).Dispose();
    }

    [Fact]
    public void A_file_that_is_disposed_of_refuses_work()
    {
        var mapped = MappedFile.Create(FilePath, 100);
        mapped.Dispose();
        mapped.Dispose();
        Assert.Throws<ObjectDisposedException>(() => mapped.Span.Length);
        Assert.Throws<ObjectDisposedException>(mapped.Flush);
        Assert.Throws<ObjectDisposedException>(() => mapped.Truncate(1));
    }

    private byte[] ReadAll()
    {
        using var reader = new FileStream(FilePath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var bytes = new byte[reader.Length];
        reader.ReadExactly(bytes);
        return bytes;
    }

    private async Task<long> AllocatedBytes()
    {
        using var stat = Process.Start(new ProcessStartInfo("stat", ["-c", "%b", FilePath]) { RedirectStandardOutput = true })!;
        var blocks = await stat.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        return long.Parse(blocks) * 512;
    }
}
