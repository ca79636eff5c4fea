using System.Buffers;

namespace Levee.Tiers.Stores;

/// <summary>The rules of an object's name, the same for every store, so that no name means another place in one of them.</summary>
public static class SegmentName
{
    /// <summary>The most characters that a name has.</summary>
    public const int MaxLength = 200;

    private static readonly SearchValues<char> Allowed = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./");

    /// <summary>Whether this is a name: 1 to 200 letters, digits, '-', '_', '.' and '/', with no empty part and none that is "." or "..".</summary>
    public static bool IsSound(ReadOnlySpan<char> name)
    {
        if (name.Length is 0 or > MaxLength || name.ContainsAnyExcept(Allowed))
        {
            return false;
        }

        foreach (var range in name.Split('/'))
        {
            if (name[range] is "" or "." or "..")
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Refuses what is not a name.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    public static void Check(string name)
    {
        if (!IsSound(name))
        {
            throw new ArgumentException($"An object's name has 1 to {MaxLength} letters, digits, '-', '_', '.' and '/', and no empty part, '.' or '..'.", nameof(name));
        }
    }
}
