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
        mapped.Span[9_999] = 7;
        using var reader = new FileStream(FilePath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        reader.Position = 9_999;
        Assert.Equal(7, reader.ReadByte());
        Assert.Equal(10_000, reader.Length);
        mapped.Flush();
    }

    [Fact]
    public void A_file_that_is_opened_again_holds_what_was_stored()
    {
        using (var mapped = MappedFile.Create(FilePath, 5_000))
        {
            mapped.Span.Fill(3);
        }

        using var again = MappedFile.Open(FilePath);
        Assert.Equal(5_000, again.Length);
        Assert.False(again.Span.ContainsAnyExcept((byte)3));
    }
}
