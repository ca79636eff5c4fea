using System.Security.Cryptography;
using System.Text;

namespace Levee.Server;

/// <summary>Who may come in: one user with one password, over every front door; without a password, everybody. The password is kept as its SHA-256 and compared in constant time.</summary>
public sealed class Credentials
{
    /// <summary>Everybody may come in.</summary>
    public static readonly Credentials None = new("default", "");

    private readonly byte[] user;
    private readonly byte[] passwordHash;

    /// <param name="user">A user's name, accepted beside "default".</param>
    /// <param name="password">The password; empty: none is asked for.</param>
    public Credentials(string user, string password)
    {
        ArgumentNullException.ThrowIfNull(password);
        this.user = Encoding.UTF8.GetBytes(user);
        passwordHash = SHA256.HashData(Encoding.UTF8.GetBytes(password));
        AreRequired = password.Length > 0;
    }

    /// <summary>Whether a password is asked for.</summary>
    public bool AreRequired { get; }

    /// <summary>Whether a user with a password may come in.</summary>
    public bool Accept(ReadOnlySpan<byte> givenUser, ReadOnlySpan<byte> givenPassword)
    {
        var isUser = givenUser.SequenceEqual("default"u8) || givenUser.SequenceEqual(user);
        var isPassword = !AreRequired || CryptographicOperations.FixedTimeEquals(SHA256.HashData(givenPassword), passwordHash);
        return isUser && isPassword;
    }
}
