using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Levee.Codec;

/// <summary>
/// The key of one run of one process under one key of the ring: HKDF-SHA256 (RFC 5869) of that key, the run's salt and the context.
/// With its ciphers, which serve one thread at a time.
/// </summary>
internal sealed class Subkey
{
    private readonly byte[] material = new byte[EncryptionKey.Bytes];
    private readonly AesGcm?[] idle = new AesGcm?[Environment.ProcessorCount];

    public Subkey(EncryptionKey key, UInt128 salt, ReadOnlySpan<byte> context)
    {
        Key = key;
        Salt = salt;
        Span<byte> saltBytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128LittleEndian(saltBytes, salt);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, key.Material, material, saltBytes, context);
    }

    public EncryptionKey Key { get; }

    public UInt128 Salt { get; }

    /// <summary>Threads begin at different ciphers, mostly.</summary>
    private int FirstSlot => Environment.CurrentManagedThreadId % idle.Length;

    /// <summary>A cipher for the caller alone, until it gives it back; one that is not given back is finalized.</summary>
    public AesGcm Rent()
    {
        var first = FirstSlot;
        for (var n = 0; n < idle.Length; n++)
        {
            var i = (first + n) % idle.Length;
            if (idle[i] is not null && Interlocked.Exchange(ref idle[i], null) is { } cipher)
            {
                return cipher;
            }
        }

        return new AesGcm(material, BodyEncryption.TagBytes);
    }

    public void Return(AesGcm cipher)
    {
        var first = FirstSlot;
        for (var n = 0; n < idle.Length; n++)
        {
            var i = (first + n) % idle.Length;
            if (idle[i] is null && Interlocked.CompareExchange(ref idle[i], cipher, null) is null)
            {
                return;
            }
        }

        cipher.Dispose();
    }
}
