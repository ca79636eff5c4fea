using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Levee.Serving;

/// <summary>
/// The certificate of a silo, and which others it accepts. Silos know each other by address, and addresses come and go: so no name is compared; who holds a certificate of the cluster's
/// own authority, or the cluster's one certificate, belongs to it.
/// </summary>
public sealed class ClusterCertificate : IDisposable
{
    private readonly X509Certificate2Collection trusted;

    private ClusterCertificate(X509Certificate2 certificate, X509Certificate2Collection trusted) => (Certificate, this.trusted) = (certificate, trusted);

    /// <summary>The silo's own certificate with its key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>Reads the files.</summary>
    /// <exception cref="OptionException">One is not there, is none, has no key, has expired, or the password is wrong.</exception>
    public static ClusterCertificate Load(TlsSettings settings, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(time);
        var certificate = Read(ClusterOption.TlsCertificate, settings.Certificate, () => ReadOwn(settings));
        if (!certificate.HasPrivateKey)
        {
            throw new OptionException($"{ClusterOption.TlsCertificate.Flag}: {settings.Certificate} has a certificate without its private key");
        }

        var now = time.GetUtcNow().UtcDateTime;
        if (now > certificate.NotAfter.ToUniversalTime() || now < certificate.NotBefore.ToUniversalTime())
        {
            throw new OptionException($"{ClusterOption.TlsCertificate.Flag}: the certificate in {settings.Certificate} is valid from {certificate.NotBefore:u} to {certificate.NotAfter:u} only");
        }

        var trusted = settings.Trust.Length == 0 ? [] : Read(ClusterOption.TlsTrust, settings.Trust, () => ReadTrusted(settings.Trust));
        return new ClusterCertificate(certificate, trusted);
    }

    /// <summary>Whether the holder of a certificate belongs to the cluster.</summary>
    public bool Accepts(X509Certificate2 peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        if (trusted.Count == 0)
        {
            return CryptographicOperations.FixedTimeEquals(peer.RawDataMemory.Span, Certificate.RawDataMemory.Span);
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(trusted);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build(peer);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Certificate.Dispose();
        foreach (var other in trusted)
        {
            other.Dispose();
        }
    }

    private static X509Certificate2 ReadOwn(TlsSettings settings)
    {
        var password = settings.Password.Length == 0 ? null : settings.Password;
        if (Path.GetExtension(settings.Certificate).ToLowerInvariant() is ".pfx" or ".p12")
        {
            return X509CertificateLoader.LoadPkcs12FromFile(settings.Certificate, password);
        }

        using var read = password is null ? X509Certificate2.CreateFromPemFile(settings.Certificate) : X509Certificate2.CreateFromEncryptedPemFile(settings.Certificate, password);

        // A key that was read from PEM cannot be used for TLS on every system; one out of PKCS #12 can.
        return X509CertificateLoader.LoadPkcs12(read.Export(X509ContentType.Pkcs12), null);
    }

    private static X509Certificate2Collection ReadTrusted(string file)
    {
        var trusted = new X509Certificate2Collection();
        trusted.ImportFromPemFile(file);
        return trusted.Count > 0 ? trusted : throw new CryptographicException("there is no certificate in it");
    }

    private static T Read<T>(ServeOption option, string file, Func<T> read)
    {
        if (!File.Exists(file))
        {
            throw new OptionException($"{option.Flag}: there is no file {file}");
        }

        try
        {
            return read();
        }
        catch (Exception failure) when (failure is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new OptionException($"{option.Flag}: {file} cannot be read ({failure.Message}); allowed: {option.Allowed}, and {ClusterOption.TlsPassword.Variable} for its password", failure);
        }
    }
}
