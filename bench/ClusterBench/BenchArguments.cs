using System.Globalization;

namespace Levee.ClusterBench;

/// <summary>The numbers and names on the command line.</summary>
internal sealed class BenchArguments
{
    private readonly Dictionary<string, string> given = new(StringComparer.Ordinal);

    public static BenchArguments Of(string[] args)
    {
        var result = new BenchArguments();
        for (var i = 1; i + 1 < args.Length; i += 2)
        {
            result.given.Add(args[i].TrimStart('-'), args[i + 1]);
        }

        return result;
    }

    /// <summary>The same, with another value for one.</summary>
    public BenchArguments With(string name, string value)
    {
        var result = new BenchArguments();
        foreach (var (key, text) in given)
        {
            result.given[key] = text;
        }

        result.given[name] = value;
        return result;
    }

    public int Number(string name, int otherwise) => given.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    public string Text(string name, string otherwise) => given.GetValueOrDefault(name, otherwise);
}
