using Microsoft.Extensions.Configuration;

namespace Levee.Serving.Tests;

/// <summary>Options and configuration as a test gives them.</summary>
internal static class Given
{
    public static Func<ServeOption, (string Text, string Source)?> Options(params (ServeOption Option, string Text)[] given) =>
        option => given.FirstOrDefault(one => one.Option == option) is { Text: { } text } ? (text, option.Flag) : null;

    public static ServeSettings Serve(params (ServeOption, string)[] given) => ServeSettings.Read(Options(given), 1L << 30);

    public static IConfigurationRoot Configuration(params (string Key, string Text)[] given) =>
        new ConfigurationBuilder().AddInMemoryCollection(given.Select(one => KeyValuePair.Create(one.Key, (string?)one.Text))).Build();
}
