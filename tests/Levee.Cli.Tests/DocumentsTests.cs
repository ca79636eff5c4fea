using Levee.Serving;
using Levee.Testing;
using Xunit;

namespace Levee.Cli.Tests;

/// <summary>What the documents say of the tool is what the tool does.</summary>
public sealed class DocumentsTests
{
    [Fact]
    public void The_table_of_options_is_the_programs_own()
    {
        var expected = ServeOption.All.Select(option =>
            $"| `{option.Flag} {option.Value}` | `{option.Variable}` | `\"{option.Name}\"` | {(option.Default.Length == 0 ? "" : $"`{option.Default}`")} | {option.Allowed} | {option.Description} |");
        var table = string.Join('\n', expected) + "\n";
        Assert.True(Repository.Read("docs/configuration.md").Contains(table, StringComparison.Ordinal), $"docs/configuration.md should have exactly these rows:\n{table}");
    }

    [Fact]
    public void The_readme_shows_the_sample_that_is_compiled()
    {
        var sample = Repository.Read("samples/InProcess/Program.cs");
        var shown = sample[(sample.IndexOf('\n', StringComparison.Ordinal) + 1)..];
        Assert.True(Repository.Read("README.md").Contains($"```csharp\n{shown}```\n", StringComparison.Ordinal), "README.md should show samples/InProcess/Program.cs from its second line on");
    }

    [Theory]
    [InlineData("README.md")]
    [InlineData("docs/replay-and-bench.md")]
    public async Task Every_command_that_a_document_shows_is_one(string document)
    {
        var commands = Repository.Read(document).Split('\n')
            .SelectMany(line => line.Split(" ; "))
            .Select(part => part.Trim())
            .Where(part => part.StartsWith("levee ", StringComparison.Ordinal))
            .Select(part => part.Split(' ')[1])
            .Distinct()
            .ToList();
        Assert.NotEmpty(commands);
        foreach (var command in commands)
        {
            var code = await CommandRoot.InvokeAsync([command, "--help"], TextWriter.Null, TextWriter.Null, TestContext.Current.CancellationToken);
            Assert.True(code == ExitCode.Ok, $"{document} shows 'levee {command}'");
        }
    }
}
