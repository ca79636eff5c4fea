namespace Levee.Testing;

/// <summary>The files of the repository that the tests were built from, for tests that keep documents and sources in step with the code.</summary>
public static class Repository
{
    /// <summary>The repository's folder: the first one upwards from the tests that holds Orleans.sln.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The text of a file, named from the root.</summary>
    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path)).ReplaceLineEndings("\n");

    /// <summary>The C# files below a folder that are written by hand.</summary>
    public static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);

    /// <summary>
    /// The rows of the Markdown tables of a document whose heading row begins with <paramref name="firstHeading"/>, as cells without their blanks; <c>\|</c> is a bar within a cell.
    /// </summary>
    public static List<string[]> TableRows(string path, string firstHeading)
    {
        var rows = new List<string[]>();
        var isInside = false;
        foreach (var line in Read(path).Split('\n'))
        {
            if (!line.StartsWith('|'))
            {
                isInside = false;
                continue;
            }

            string[] cells = [.. line.Trim().Trim('|').Replace("\\|", "\u0001", StringComparison.Ordinal).Split('|').Select(cell => cell.Trim().Replace('\u0001', '|'))];
            if (cells[0] == firstHeading)
            {
                isInside = true;
            }
            else if (isInside && !cells[0].StartsWith("--", StringComparison.Ordinal))
            {
                rows.Add(cells);
            }
        }

        return rows;
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Orleans.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"No folder above {AppContext.BaseDirectory} holds Orleans.sln.");
    }
}
