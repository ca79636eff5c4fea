using System.CommandLine;
using Microsoft.Extensions.Configuration;

namespace Levee.Serving;

/// <summary>The options of a command, and where their values come from: a flag goes before the environment, the environment before the file, the file before the default.</summary>
public sealed class OptionFlags
{
    private const string DefaultFile = "levee.json";

    private readonly IReadOnlyList<ServeOption> options;
    private readonly string help;
    private readonly string[] sections;
    private readonly Dictionary<ServeOption, Option<string[]>> flags;
    private readonly Option<FileInfo> config = new("--config") { Description = $"file of options; default: {DefaultFile} in this folder, where there is one", HelpName = "file" };

    /// <summary>Adds the flags to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="options">Its options, in the order of the help.</param>
    /// <param name="help">What lists them, for refusals: "levee serve --help".</param>
    /// <param name="sections">Keys of the file that are no options and belong to others.</param>
    public OptionFlags(Command command, IReadOnlyList<ServeOption> options, string help, params string[] sections)
    {
        ArgumentNullException.ThrowIfNull(command);
        ArgumentNullException.ThrowIfNull(options);
        (this.options, this.help, this.sections) = (options, help, sections);
        flags = options.ToDictionary(
            option => option,
            option => new Option<string[]>(option.Flag)
            {
                Arity = option.IsList ? ArgumentArity.OneOrMore : option.Bare is null ? ArgumentArity.ExactlyOne : ArgumentArity.ZeroOrOne,
                CustomParser = static result => [.. result.Tokens.Select(static token => token.Value)],
                Description = $"{option.Description}. Allowed: {option.Allowed}.{(option.Default.Length == 0 ? "" : $" Default: {option.Default}.")} [{option.Variable}]",
                HelpName = option.Value,
            });
        command.Add(config);
        foreach (var option in options)
        {
            command.Add(flags[option]);
        }
    }

    /// <summary>What was given, from all sources.</summary>
    /// <returns>Gives the text of an option and where it came from, or null for its default.</returns>
    /// <exception cref="OptionException">The file cannot be read, or it or the environment has an option that there is none of.</exception>
    public Func<ServeOption, (string Text, string Source)?> Read(ParseResult parsed)
    {
        ArgumentNullException.ThrowIfNull(parsed);
        var file = FileOf(parsed) is { } path ? ReadFile(path) : null;
        var unknown = ServeOption.UnknownVariables(Environment.GetEnvironmentVariables().Keys.Cast<string>(), options).FirstOrDefault();
        if (unknown is not null)
        {
            throw new OptionException($"environment variable {unknown} is no option; '{help}' lists them");
        }

        return option => Flag(parsed, option) is { } given ? (given, option.Flag)
            : Environment.GetEnvironmentVariable(option.Variable) is { } variable ? (variable, option.Variable)
            : file?[option.Name] is { } key ? (key, $"key \"{option.Name}\" of {DefaultFile}")
            : null;
    }

    /// <summary>The whole path of the file of options; null where there is none.</summary>
    /// <exception cref="OptionException">One is named that does not exist.</exception>
    public string? FileOf(ParseResult parsed)
    {
        ArgumentNullException.ThrowIfNull(parsed);
        var named = parsed.GetValue(config);
        var path = named?.FullName ?? Path.GetFullPath(DefaultFile);
        return File.Exists(path) ? path : named is null ? null : throw new OptionException($"--config names {named}, which does not exist");
    }

    private string? Flag(ParseResult parsed, ServeOption option) =>
        parsed.GetResult(flags[option]) is null ? null : parsed.GetValue(flags[option]) is { Length: > 0 } given ? string.Join(' ', given) : option.Bare;

    private IConfigurationRoot ReadFile(string path)
    {
        IConfigurationRoot file;
        try
        {
            file = new ConfigurationBuilder().AddJsonFile(path).Build();
        }
        catch (InvalidDataException wrong)
        {
            throw new OptionException($"{path} cannot be read: {wrong.InnerException?.Message ?? wrong.Message}");
        }

        foreach (var key in file.GetChildren().Select(child => child.Key))
        {
            if (!sections.Contains(key) && !options.Any(option => option.Name == key))
            {
                throw new OptionException($"{path} has the key \"{key}\", which is no option; '{help}' lists them");
            }
        }

        return file;
    }
}
