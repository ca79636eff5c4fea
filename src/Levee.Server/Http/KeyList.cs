using System.Text;
using System.Text.Unicode;
using Levee.Operations;

namespace Levee.Server.Http;

/// <summary>Keys of a request over many.</summary>
internal sealed record KeyList
{
    /// <summary>The most keys or entries that one request may have.</summary>
    public const int MaxKeys = 1000;

    /// <summary>Keys that are text.</summary>
    public IReadOnlyList<string> Keys { get; init; } = [];

    /// <summary>Keys that are not UTF-8, in base64. They come after the text keys.</summary>
    public IReadOnlyList<byte[]>? BinaryKeys { get; init; }

    /// <summary>All keys as bytes.</summary>
    /// <returns>Null, or what is wrong with them.</returns>
    public Problem? Read(out List<byte[]> keys)
    {
        keys = [];
        if (Keys is null || Keys.Contains(null!) || BinaryKeys?.Contains(null!) == true)
        {
            return Problems.BadJson("'keys' is a list of strings.");
        }

        if (Keys.Count + (BinaryKeys?.Count ?? 0) > MaxKeys)
        {
            return Problems.TooMany("keys", MaxKeys);
        }

        keys.AddRange(Keys.Select(Encoding.UTF8.GetBytes));
        keys.AddRange(BinaryKeys ?? []);
        var wrong = keys.FindIndex(key => key.Length is < 1 or > Limits.MaxKeyBytes);
        return wrong < 0 ? null : Problems.BadKeyLength(keys[wrong].Length);
    }
}

/// <summary>One page of a scan.</summary>
internal sealed record KeyPage
{
    /// <summary>Keys that are text.</summary>
    public required IReadOnlyList<string> Keys { get; init; }

    /// <summary>Keys that are not UTF-8, in base64.</summary>
    public IReadOnlyList<byte[]>? BinaryKeys { get; init; }

    /// <summary>Where the next page begins; absent at the end. A page may be empty and yet not the last.</summary>
    public string? Cursor { get; init; }

    /// <summary>A page of some keys.</summary>
    public static KeyPage Of(IReadOnlyList<byte[]> keys, string? cursor)
    {
        var binary = keys.Where(key => !Utf8.IsValid(key)).ToList();
        return new KeyPage
        {
            Keys = [.. keys.Where(key => Utf8.IsValid(key)).Select(Encoding.UTF8.GetString)],
            BinaryKeys = binary.Count == 0 ? null : binary,
            Cursor = cursor,
        };
    }
}

/// <summary>What a request over many keys deleted.</summary>
/// <param name="Removed">Keys whose entry was removed.</param>
/// <param name="Absent">Keys that had none.</param>
/// <param name="Unavailable">Keys of which a lower tier did not answer: nothing was changed there.</param>
internal sealed record DeleteResult(int Removed, int Absent, int Unavailable);

/// <summary>How many entries were removed.</summary>
internal sealed record RemovedCount(long Removed);
