using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Levee.Tiers.Redis;

/// <summary>Names of the tier's keys: <c>prefix:cache:generation:hash</c>; the generation as 22 characters of base64url, the hash as 16 hexadecimal digits.</summary>
internal sealed class RedisNames
{
    /// <summary>Characters of a hash in a name.</summary>
    public const int HashBytes = 16;

    private readonly byte[] stem;

    public RedisNames(string prefix, string cache, Guid generation)
    {
        stem = Encoding.UTF8.GetBytes($"{prefix}:{cache}:{Base64Url.EncodeToString(generation.ToByteArray())}:");
    }

    /// <summary>Length of every name, in bytes.</summary>
    public int Length => stem.Length + HashBytes;

    /// <summary>A pattern for SCAN that matches every key of the generation, and no other.</summary>
    public byte[] Pattern
    {
        get
        {
            var pattern = new List<byte>(stem.Length + 8);
            foreach (var letter in stem)
            {
                if (letter is (byte)'*' or (byte)'?' or (byte)'[' or (byte)']' or (byte)'\\' or (byte)'^')
                {
                    pattern.Add((byte)'\\');
                }

                pattern.Add(letter);
            }

            pattern.Add((byte)'*');
            return [.. pattern];
        }
    }

    /// <summary>Writes the name of a hash.</summary>
    public void Write(ulong hash, Span<byte> name)
    {
        stem.CopyTo(name);
        hash.TryFormat(name[stem.Length..], out _, "x16", CultureInfo.InvariantCulture);
    }

    /// <summary>The name as text, for people.</summary>
    public string Text(ulong hash) => Encoding.UTF8.GetString(stem) + hash.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>Reads the hash of a name of this generation.</summary>
    public bool TryParse(ReadOnlySpan<byte> name, out ulong hash)
    {
        hash = 0;
        return name.Length == Length && name.StartsWith(stem) && ulong.TryParse(name[stem.Length..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out hash);
    }
}
