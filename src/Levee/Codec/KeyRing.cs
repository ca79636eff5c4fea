using System.Security.Cryptography;

namespace Levee.Codec;

/// <summary>
/// The keys of a cache: one active key that encrypts, and older ones that still decrypt. Immutable: to rotate, make another ring whose first key is new, and let
/// <see cref="CodecOptions.Keys"/> return it. A key that has left the ring decrypts nothing from then on; its records are misses.
/// <para>Text form, one key per line, the first one active; empty lines and lines that begin with '#' are skipped, and ';' ends a line as well:</para>
/// <code>
/// # openssl rand -base64 32
/// 2026-11 q83v...44 characters of Base64...=
/// 2026-10 EjRW...
/// </code>
/// </summary>
public sealed class KeyRing
{
    private const string Allowed = "Allowed is one key per line, as \"name key\": the name is 1 to 64 letters, digits, '.', '-' or '_', the key is 32 bytes in Base64 (44 characters).";

    private readonly EncryptionKey[] keys;

    /// <param name="keys">The active key, then older ones.</param>
    /// <exception cref="ArgumentException">There is none, or two have one name.</exception>
    public KeyRing(params ReadOnlySpan<EncryptionKey> keys)
    {
        if (keys.IsEmpty)
        {
            throw new ArgumentException("A key ring has at least one key.", nameof(keys));
        }

        this.keys = keys.ToArray();
        if (this.keys.DistinctBy(key => key.Id).Count() != this.keys.Length)
        {
            throw new ArgumentException("Two keys of the ring have one name.", nameof(keys));
        }
    }

    /// <summary>The key that encrypts.</summary>
    public EncryptionKey Active => keys[0];

    /// <summary>All keys, the active one first.</summary>
    public IReadOnlyList<EncryptionKey> Keys => keys;

    /// <summary>Reads a ring from its text form.</summary>
    /// <exception cref="FormatException">The text is not of that form. The message names the line and what is allowed, and repeats nothing of the text.</exception>
    public static KeyRing Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<EncryptionKey> keys = [];
        var number = 0;
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            number++;
            foreach (var range in line.Split(';'))
            {
                var entry = line[range].Trim();
                if (entry.IsEmpty || entry[0] == '#')
                {
                    continue;
                }

                var key = ParseKey(entry, number);
                if (keys.Exists(other => other.Id == key.Id))
                {
                    throw new FormatException($"Line {number}: a key of this name came before. Each name may stand once; the first key is the active one.");
                }

                keys.Add(key);
            }
        }

        return keys.Count > 0 ? new KeyRing([.. keys]) : throw new FormatException($"There is no key. {Allowed}");
    }

    /// <summary>The key that records call so; null: it is not in the ring.</summary>
    public EncryptionKey? Find(ulong id)
    {
        foreach (var key in keys)
        {
            if (key.Id == id)
            {
                return key;
            }
        }

        return null;
    }

    private static EncryptionKey ParseKey(ReadOnlySpan<char> entry, int number)
    {
        var end = entry.IndexOfAny(' ', '\t');
        if (end < 0)
        {
            throw new FormatException($"Line {number}: there is no blank between a name and a key. {Allowed}");
        }

        if (!EncryptionKey.IsName(entry[..end]))
        {
            throw new FormatException($"Line {number}: the name is not allowed. {Allowed}");
        }

        Span<byte> material = stackalloc byte[EncryptionKey.Bytes];
        try
        {
            return Convert.TryFromBase64Chars(entry[end..].Trim(), material, out var written) && written == EncryptionKey.Bytes
                ? new EncryptionKey(entry[..end].ToString(), material)
                : throw new FormatException($"Line {number}: the key is not 32 bytes in Base64. {Allowed}");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(material);
        }
    }
}
