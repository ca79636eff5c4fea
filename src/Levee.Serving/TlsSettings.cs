namespace Levee.Serving;

/// <summary>TLS between silos and to their clients.</summary>
/// <param name="Certificate">The file of the silo's certificate and key.</param>
/// <param name="Password">The file's password; empty: none.</param>
/// <param name="Trust">The file of the certificates whose holders and issued certificates are accepted; empty: only <paramref name="Certificate"/> itself.</param>
/// <param name="IsMutual">Whether who connects must show a certificate.</param>
public sealed record TlsSettings(string Certificate, string Password, string Trust, bool IsMutual)
{
    /// <summary>Never the password.</summary>
    public override string ToString() => $"{Certificate}, {(IsMutual ? "mutual" : "one-sided")}";
}
