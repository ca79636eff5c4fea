using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Levee.Codec;

/// <summary>A named key of 256 bits. Its text is its name; the key itself is never printed.</summary>
public sealed class EncryptionKey
{
    /// <summary>Length of the key, in bytes.</summary>
    public const int Bytes = 32;

    /// <summary>Longest name.</summary>
    public const int MaxNameLength = 64;

    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    private readonly byte[] material;

    /// <param name="name">1 to 64 letters, digits, dots, hyphens and underscores.</param>
    /// <param name="material">32 bytes; copied.</param>
    /// <exception cref="ArgumentException">The name or the length is not as said.</exception>
    public EncryptionKey(string name, ReadOnlySpan<byte> material)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!IsName(name))
        {
            throw new ArgumentException("A key's name is 1 to 64 letters, digits, '.', '-' or '_'.", nameof(name));
        }

        if (material.Length != Bytes)
        {
            throw new ArgumentException("A key is 32 bytes.", nameof(material));
        }

        Name = name;
        this.material = material.ToArray();
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.ASCII.GetBytes(name), hash);
        Id = BinaryPrimitives.ReadUInt64LittleEndian(hash);
    }

    /// <summary>What people call the key.</summary>
    public string Name { get; }

    /// <summary>What records call it: the first 8 bytes of the name's SHA-256.</summary>
    public ulong Id { get; }

    internal ReadOnlySpan<byte> Material => material;

    /// <inheritdoc/>
    public override string ToString() => Name;

    internal static bool IsName(ReadOnlySpan<char> text) => text.Length is >= 1 and <= MaxNameLength && !text.ContainsAnyExcept(NameCharacters);

    internal bool IsSame(EncryptionKey other) => ReferenceEquals(this, other) || (Id == other.Id && CryptographicOperations.FixedTimeEquals(material, other.material));
}
