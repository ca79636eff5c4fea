using System.Text.RegularExpressions;
using Levee.Caching;
using Levee.Testing;
using Xunit;

namespace Levee.Tests;

/// <summary>The rules of docs/architecture.md that a compiler does not check.</summary>
public sealed partial class ArchitectureTests
{
    private const int MostLines = 800;

    /// <summary>What the engine may use of the framework: its base library, no I/O. Compression and JSON work on memory only.</summary>
    private static readonly string[] EngineReferences =
    [
        "System.Runtime", "System.Runtime.InteropServices", "System.Text.Json", "System.Text.Encodings.Web", "System.Runtime.Intrinsics", "System.Collections", "System.Collections.Concurrent", "System.IO.Compression", "System.IO.Compression.Brotli", "System.Memory", "System.Linq",
        "System.Numerics.Vectors", "System.Security.Cryptography", "System.Threading", "System.Threading.Overlapped", "System.Threading.Tasks", "System.Text.Encoding.Extensions",
    ];

    [Fact]
    public void The_engine_references_the_base_library_and_does_no_input_or_output()
    {
        var references = typeof(LeveeCache).Assembly.GetReferencedAssemblies().Select(reference => reference.Name!).ToList();
        Assert.NotEmpty(references);
        Assert.Empty(references.Except(EngineReferences));
        Assert.Empty(LinesWith("src/Levee", InputOutput()));
        Assert.DoesNotContain("Reference Include", Repository.Read("src/Levee/Levee.csproj"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_codec_references_nothing_of_ours()
    {
        Assert.DoesNotContain("ProjectReference", Repository.Read("src/Levee.Resp/Levee.Resp.csproj"), StringComparison.Ordinal);
        Assert.Empty(LinesWith("src/Levee.Resp", OtherLeveeUsing()));
    }

    [Fact]
    public void Front_doors_know_the_engine_by_its_one_face()
    {
        Assert.Equal(["Levee.Resp", "Levee"], ProjectReferences("src/Levee.Server/Levee.Server.csproj").OrderByDescending(name => name.Length));
        Assert.Empty(LinesWith("src/Levee.Server", EngineInternals()));
    }

    [Theory]
    [InlineData("src/Levee/Levee.csproj", "")]
    [InlineData("src/Levee.Resp/Levee.Resp.csproj", "")]
    [InlineData("src/Levee.Server/Levee.Server.csproj", "Levee Levee.Resp")]
    [InlineData("src/Levee.Serving/Levee.Serving.csproj", "Levee Levee.Orleans Levee.Server Levee.Storage.Azure Levee.Storage.S3 Levee.Tiers")]
    [InlineData("src/Levee.Cli/Levee.Cli.csproj", "Levee.Serving")]
    [InlineData("src/Levee.Tiers/Levee.Tiers.csproj", "Levee Levee.Resp")]
    [InlineData("src/Levee.Storage.S3/Levee.Storage.S3.csproj", "Levee.Tiers")]
    [InlineData("src/Levee.Storage.Azure/Levee.Storage.Azure.csproj", "Levee.Tiers")]
    public void References_point_down_only(string project, string references) =>
        Assert.Equal(references.Split(' ', StringSplitOptions.RemoveEmptyEntries), ProjectReferences(project).Order(StringComparer.Ordinal));

    [Fact]
    public void Nothing_is_left_to_be_done_later_in_a_comment() => Assert.Empty(LinesWith("src", LaterMark()));

    [Fact]
    public void No_source_file_is_longer_than_one_can_read() =>
        Assert.All(Repository.Sources("src"), path => Assert.InRange(Repository.Read(path).Count(c => c == '\n'), 1, MostLines));

    [Fact]
    public void Fields_have_no_underscore() => Assert.Empty(LinesWith("src", UnderscoreField()));

    [Fact]
    public void The_architecture_fits_in_300_lines() => Assert.InRange(Repository.Read("docs/architecture.md").Count(c => c == '\n'), 50, 300);

    [Fact]
    public void Every_link_within_the_documents_leads_somewhere()
    {
        string[] documents = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md", .. MarkdownBelow("docs")];
        var dead = from document in documents
                   from Match link in Link().Matches(Repository.Read(document))
                   let target = link.Groups[1].Value
                   where !target.Contains("://", StringComparison.Ordinal)
                   let path = Path.Combine(Repository.Root, Path.GetDirectoryName(document)!, target)
                   where !File.Exists(path) && !Directory.Exists(path)
                   select $"{document}: {target}";
        Assert.Empty(dead);
    }

    private static IEnumerable<string> MarkdownBelow(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.md", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(Repository.Root, path));

    private static List<string> LinesWith(string folder, Regex pattern)
    {
        var sources = Repository.Sources(folder).ToList();
        Assert.NotEmpty(sources);
        return [.. from path in sources
                   from line in Repository.Read(path).Split('\n').Select((text, i) => (text, number: i + 1))
                   where pattern.IsMatch(line.text)
                   select $"{path}:{line.number}: {line.text.Trim()}"];
    }

    private static IEnumerable<string> ProjectReferences(string project) =>
        ProjectReference().Matches(Repository.Read(project)).Select(match => match.Groups[1].Value);

    [GeneratedRegex(@"\bSystem\.(Net|IO(?!\.Compression;))\b|\b(File|Directory|Socket|FileStream|Console|Process)\.[A-Z]|\bnew (FileStream|Socket|Thread)\(")]
    private static partial Regex InputOutput();

    [GeneratedRegex(@"\busing Levee\.(?!Resp\b)|\busing Orleans")]
    private static partial Regex OtherLeveeUsing();

    [GeneratedRegex(@"\busing (Levee\.(Partitions|Eviction|Caching|Orleans|Learning)|Orleans)\b|\bLockHost\b|(?<!\.|Keys\.)\bnew Partition\(")]
    private static partial Regex EngineInternals();

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX)\b")]
    private static partial Regex LaterMark();

    [GeneratedRegex(@"^\s*(private|internal|protected|public)\b[^=(;""]*\s_[a-z]\w*\s*(=|;)")]
    private static partial Regex UnderscoreField();

    [GeneratedRegex(@"<ProjectReference Include=""[^""]*?([\w.]+)\.csproj""")]
    private static partial Regex ProjectReference();

    [GeneratedRegex(@"\]\(([^)#\s]+)(#[^)]*)?\)")]
    private static partial Regex Link();
}
