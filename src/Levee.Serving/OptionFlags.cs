using System.CommandLine;
using System.Text.Json;
using Levee.Tiers;
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
        var path = FileOf(parsed);
        var file = path is null ? null : ReadFile(path);
        var unknown = ServeOption.UnknownVariables(Environment.GetEnvironmentVariables().Keys.Cast<string>(), options).FirstOrDefault();
        if (unknown is not null)
        {
            throw new OptionException($"environment variable {unknown} is no option; '{help}' lists them");
        }

        return option => Flag(parsed, option) is { } given ? (given, option.Flag)
            : Environment.GetEnvironmentVariable(option.Variable) is { } variable ? (variable, option.Variable)
            : file is not null && TextOf(file.GetSection(option.Name)) is { } text ? (text, $"key \"{option.Name}\" of {path}")
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

    /// <summary>What is wrong with a command line, in words. A value that was given to a flag that does not exist is not shown: the flag may be a mistyped one for a password.</summary>
    public static IEnumerable<string> Errors(ParseResult parsed)
    {
        ArgumentNullException.ThrowIfNull(parsed);
        var tokens = parsed.UnmatchedTokens;
        foreach (var error in parsed.Errors)
        {
            var message = error.Message;
            for (var i = 0; i < tokens.Count; i++)
            {
                var equals = tokens[i].IndexOf('=', StringComparison.Ordinal);
                var shown = tokens[i].StartsWith('-') ? equals < 0 ? tokens[i] : tokens[i][..equals]
                    : i > 0 && tokens[i - 1].StartsWith('-') ? "(not shown)"
                    : TierAddress.Masked(tokens[i]);
                message = message.Replace($"'{tokens[i]}'", $"'{shown}'", StringComparison.Ordinal);
            }

            yield return message;
        }
    }

    /// <summary>Reads a file of options.</summary>
    /// <exception cref="OptionException">It cannot be read, or is no JSON. The message says where, and repeats nothing of the text: it can hold a password.</exception>
    public static IConfigurationRoot ReadJson(string path)
    {
        try
        {
            using var content = File.OpenRead(path);
            return new ConfigurationBuilder().AddJsonStream(content).Build();
        }
        catch (JsonException wrong)
        {
            throw new OptionException($"{path} is no JSON: what stands in line {wrong.LineNumber + 1}, column {wrong.BytePositionInLine + 1} cannot stand there", wrong);
        }
        catch (Exception wrong) when (wrong is FormatException or IOException or UnauthorizedAccessException)
        {
            throw new OptionException($"{path} cannot be read: {wrong.Message}", wrong);
        }
    }

    private IConfigurationRoot ReadFile(string path)
    {
        var file = ReadJson(path);
        foreach (var child in file.GetChildren().Where(child => !sections.Contains(child.Key)))
        {
            if (options.FirstOrDefault(option => option.Name == child.Key) is not { } option)
            {
                throw new OptionException($"{path} has the key \"{child.Key}\", which is no option; '{help}' lists them");
            }

            if (child.GetChildren().Any() && !option.IsList)
            {
                throw new OptionException($"key \"{child.Key}\" of {path} is a list or an object; allowed: one string or number, {option.Allowed}");
            }
        }

        return file;
    }

    /// <summary>The text of a key; a list's values are separated by blanks, as those of a flag that is given several times.</summary>
    private static string? TextOf(IConfigurationSection key) =>
        key.GetChildren().Any() ? string.Join(' ', key.GetChildren().Select(static item => item.Value ?? "")) : key.Value;
}
