using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Levee.Segments;

namespace Levee.Codec;

/// <summary>How decrypting ended.</summary>
internal enum DecryptOutcome
{
    Decrypted,
    UnknownKey,
    FailedTag,
    Malformed,
}

/// <summary>
/// AES-256-GCM (NIST SP 800-38D) over the body of a record. The body becomes
/// <code>
///  0 key id   8   <see cref="EncryptionKey.Id"/>
///  8 salt    16   of the run that wrote it
/// 24 counter  8   the nonce's lower 64 bits; the upper 32 are zero
/// 32 tag     16
/// 48 ciphertext
/// </code>
/// Associated data is the whole header after the checksum, length and codec byte included.
/// <para>
/// No nonce is used twice under one key: the salt is drawn at random when this object is made, the ring's key never encrypts itself but only through a subkey of that salt, and the counter
/// is taken atomically for each record. Two runs share a subkey only if two random 128-bit salts are equal. A machine resumed twice from one memory image repeats both salt and counter:
/// whoever resumes machines so must restart the process.
/// </para>
/// </summary>
internal sealed class BodyEncryption
{
    public const int TagBytes = 16;
    public const int OverheadBytes = CiphertextOffset;

    private const int SaltOffset = 8;
    private const int CounterOffset = 24;
    private const int TagOffset = 32;
    private const int CiphertextOffset = 48;
    private const int NonceBytes = 12;
    private const int AssociatedOffset = sizeof(uint);

    /// <summary>Subkeys of other runs that are kept; a tier rarely holds records of more.</summary>
    private const int MostForeignSubkeys = 64;

    private readonly Func<KeyRing> keys;
    private readonly byte[] context;
    private readonly UInt128 salt;
    private readonly Lock change = new();
    private readonly ConcurrentDictionary<(ulong KeyId, UInt128 Salt), Subkey> foreign = new();
    private readonly Queue<(ulong KeyId, UInt128 Salt)> foreignAge = new();
    private volatile Subkey? own;
    private ulong counter;

    public BodyEncryption(Func<KeyRing> keys, string context)
    {
        this.keys = keys;
        this.context = [.. "levee tier record 1 "u8, .. Encoding.UTF8.GetBytes(context)];
        UInt128 drawn = 0;
        RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(new Span<UInt128>(ref drawn)));
        salt = drawn;
    }

    public int ForeignSubkeys => foreign.Count;

    /// <summary>Encrypts in place. The header is complete, and what is to be encrypted lies where the ciphertext will.</summary>
    public void Encrypt(Span<byte> record)
    {
        var subkey = Own(keys().Active);
        var body = record[TierRecord.HeaderBytes..];
        var count = Interlocked.Increment(ref counter);
        BinaryPrimitives.WriteUInt64LittleEndian(body, subkey.Key.Id);
        BinaryPrimitives.WriteUInt128LittleEndian(body[SaltOffset..], salt);
        BinaryPrimitives.WriteUInt64LittleEndian(body[CounterOffset..], count);
        Span<byte> nonce = stackalloc byte[NonceBytes];
        nonce.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(nonce, count);
        var ciphertext = body[CiphertextOffset..];
        var cipher = subkey.Rent();
        cipher.Encrypt(nonce, ciphertext, ciphertext, body.Slice(TagOffset, TagBytes), record[AssociatedOffset..TierRecord.HeaderBytes]);
        subkey.Return(cipher);
    }

    /// <summary>Decrypts the body of a record into <paramref name="destination"/>, which is as long as the ciphertext.</summary>
    public DecryptOutcome Decrypt(ReadOnlySpan<byte> record, Span<byte> destination)
    {
        var body = record[TierRecord.HeaderBytes..];
        if (body.Length < CiphertextOffset)
        {
            return DecryptOutcome.Malformed;
        }

        if (keys().Find(BinaryPrimitives.ReadUInt64LittleEndian(body)) is not { } key)
        {
            return DecryptOutcome.UnknownKey;
        }

        Span<byte> nonce = stackalloc byte[NonceBytes];
        nonce.Clear();
        body.Slice(CounterOffset, sizeof(ulong)).CopyTo(nonce);
        var subkey = Find(key, BinaryPrimitives.ReadUInt128LittleEndian(body[SaltOffset..]), out var isNew);
        var cipher = subkey.Rent();
        try
        {
            cipher.Decrypt(nonce, body[CiphertextOffset..], body.Slice(TagOffset, TagBytes), destination, record[AssociatedOffset..TierRecord.HeaderBytes]);
        }
        catch (AuthenticationTagMismatchException)
        {
            return DecryptOutcome.FailedTag;
        }
        finally
        {
            subkey.Return(cipher);
        }

        if (isNew)
        {
            Remember(subkey);
        }

        return DecryptOutcome.Decrypted;
    }

    /// <summary>The length of what is encrypted in a body of this length; negative: the body is too short.</summary>
    public static int PayloadLength(int bodyLength) => bodyLength - CiphertextOffset;

    private Subkey Own(EncryptionKey active)
    {
        if (own is { } present && present.Key.IsSame(active))
        {
            return present;
        }

        lock (change)
        {
            if (own is not { } other || !other.Key.IsSame(active))
            {
                own = new Subkey(active, salt, context);
            }

            return own;
        }
    }

    private Subkey Find(EncryptionKey key, UInt128 recordSalt, out bool isNew)
    {
        isNew = false;
        if (own is { } mine && mine.Salt == recordSalt && mine.Key.IsSame(key))
        {
            return mine;
        }

        if (foreign.TryGetValue((key.Id, recordSalt), out var known) && known.Key.IsSame(key))
        {
            return known;
        }

        isNew = true;
        return new Subkey(key, recordSalt, context);
    }

    /// <summary>Keeps a subkey that has decrypted a record: salts that somebody made up displace none.</summary>
    private void Remember(Subkey subkey)
    {
        var name = (subkey.Key.Id, subkey.Salt);
        lock (change)
        {
            if (!foreign.ContainsKey(name))
            {
                foreignAge.Enqueue(name);
                if (foreignAge.Count > MostForeignSubkeys)
                {
                    foreign.TryRemove(foreignAge.Dequeue(), out _);
                }
            }

            foreign[name] = subkey;
        }
    }
}
