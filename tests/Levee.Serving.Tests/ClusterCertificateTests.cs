using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Xunit;

namespace Levee.Serving.Tests;

public sealed class ClusterCertificateTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("levee-tls-").FullName;
    private readonly TimeProvider time = TimeProvider.System;
    private readonly DateTimeOffset from = TimeProvider.System.GetUtcNow().AddDays(-1);

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("a.pfx", "")]
    [InlineData("a.p12", "secret")]
    [InlineData("a.pem", "")]
    [InlineData("a.pem", "secret")]
    public void Without_a_trusted_authority_only_the_same_certificate_is_accepted(string name, string password)
    {
        using var own = Issue("levee", null);
        using var other = Issue("levee", null);
        using var loaded = ClusterCertificate.Load(new TlsSettings(Write(name, own, password), password, "", true), time);
        Assert.True(loaded.Certificate.HasPrivateKey);
        Assert.True(loaded.Accepts(own));
        Assert.False(loaded.Accepts(other));
    }

    [Fact]
    public void With_one_whatever_it_issued_is_accepted_and_nothing_else()
    {
        using var authority = Issue("our authority", null, isAuthority: true);
        using var stranger = Issue("our authority", null, isAuthority: true);
        using var own = Issue("silo-1", authority);
        using var peer = Issue("silo-2", authority);
        using var forged = Issue("silo-2", stranger);
        using var expired = Issue("silo-2", authority, days: 0.5);
        var trust = Path.Combine(folder, "ca.pem");
        File.WriteAllText(trust, authority.ExportCertificatePem());
        using var loaded = ClusterCertificate.Load(new TlsSettings(Write("a.pfx", own, ""), "", trust, true), time);
        Assert.True(loaded.Accepts(peer));
        Assert.False(loaded.Accepts(forged));
        Assert.False(loaded.Accepts(expired));
    }

    [Fact]
    public void What_is_wrong_with_a_file_is_said_and_no_password()
    {
        using var own = Issue("levee", null);
        var file = Write("a.pfx", own, "secret");
        Refused("--tls-certificate", Path.Combine(folder, "none.pfx"), "there is no file");
        Refused("--tls-certificate", file, "password", "wrong");
        Refused("--tls-trust", file, "there is no certificate", "secret", trust: Write("key.pem", "nothing"));
        var bare = Path.Combine(folder, "bare.pfx");
        File.WriteAllBytes(bare, X509CertificateLoader.LoadCertificate(own.RawData).Export(X509ContentType.Pkcs12));
        Refused("--tls-certificate", bare, "without its private key");
        using var ended = Issue("levee", null, days: 0.5);
        Refused("--tls-certificate", Write("ended.pfx", ended, ""), "is valid from");
    }

    [Theory]
    [InlineData(true, true, SslProtocols.Tls13, null)]
    [InlineData(true, true, SslProtocols.Tls12, null)]
    [InlineData(true, false, SslProtocols.Tls13, "refuses the certificate of --tls-certificate")]
    [InlineData(true, false, SslProtocols.Tls12, "refuses the certificate of --tls-certificate")]
    [InlineData(false, true, SslProtocols.Tls13, "shows a certificate that this one does not accept")]
    [InlineData(true, true, SslProtocols.None, "does not talk TLS")]
    public async Task A_silo_learns_before_it_joins_whether_certificates_fit(bool isSame, bool accepts, SslProtocols protocol, string? expected)
    {
        var cancellation = TestContext.Current.CancellationToken;
        using var own = Issue("levee", null);
        using var other = Issue("levee", null);
        using var loaded = ClusterCertificate.Load(new TlsSettings(Write("a.pfx", own, ""), "", "", true), time);
        using var shown = X509CertificateLoader.LoadPkcs12((isSame ? own : other).Export(X509ContentType.Pkcs12), null);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var silo = ServeAsync();
        var obstacle = await ClusterHandshake.ObstacleAsync((IPEndPoint)listener.LocalEndpoint, loaded, cancellation);
        Assert.True(expected is null ? obstacle is null : obstacle?.Contains(expected, StringComparison.Ordinal) == true, obstacle);
        await silo;

        async Task ServeAsync()
        {
            using var client = await listener.AcceptTcpClientAsync(cancellation);
            if (protocol == SslProtocols.None)
            {
                await client.GetStream().WriteAsync("-ERR what is that\r\n"u8.ToArray(), cancellation);
                return;
            }

            try
            {
                await using var tls = new SslStream(client.GetStream());
                await tls.AuthenticateAsServerAsync(
                    new SslServerAuthenticationOptions
                    {
                        ServerCertificate = shown,
                        ClientCertificateRequired = true,
                        EnabledSslProtocols = protocol,
                        RemoteCertificateValidationCallback = (_, _, _, _) => accepts,
                    },
                    cancellation);
                Assert.Equal(0, await tls.ReadAsync(new byte[1], cancellation));
            }
            catch (Exception failure) when (failure is AuthenticationException or IOException)
            {
                // The other side did not like it, or this one.
            }
        }
    }

    [Fact]
    public async Task Where_nobody_answers_certificates_are_not_to_blame()
    {
        using var own = Issue("levee", null);
        using var loaded = ClusterCertificate.Load(new TlsSettings(Write("a.pfx", own, ""), "", "", true), time);
        int port;
        using (var listener = new TcpListener(IPAddress.Loopback, 0))
        {
            listener.Start();
            port = ((IPEndPoint)listener.LocalEndpoint).Port;
        }

        Assert.Null(await ClusterHandshake.ObstacleAsync(new IPEndPoint(IPAddress.Loopback, port), loaded, TestContext.Current.CancellationToken));
    }

    private void Refused(string option, string file, string expected, string password = "", string trust = "")
    {
        var refusal = Assert.Throws<OptionException>(() => ClusterCertificate.Load(new TlsSettings(file, password, trust, true), time));
        Assert.StartsWith(option, refusal.Message, StringComparison.Ordinal);
        Assert.Contains(expected, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong", refusal.Message, StringComparison.Ordinal);
    }

    private string Write(string name, X509Certificate2 certificate, string password)
    {
        var path = Path.Combine(folder, name);
        if (name.EndsWith(".pem", StringComparison.Ordinal))
        {
            using var key = certificate.GetECDsaPrivateKey()!;
            var text = password.Length == 0 ? key.ExportPkcs8PrivateKeyPem() : key.ExportEncryptedPkcs8PrivateKeyPem(password, new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000));
            File.WriteAllText(path, certificate.ExportCertificatePem() + "\n" + text);
        }
        else
        {
            File.WriteAllBytes(path, certificate.Export(X509ContentType.Pkcs12, password));
        }

        return path;
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private X509Certificate2 Issue(string name, X509Certificate2? authority, bool isAuthority = false, double days = 30)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, true));
        if (authority is null)
        {
            return request.CreateSelfSigned(from, from.AddDays(days));
        }

        using var issued = request.Create(authority, from, from.AddDays(Math.Min(days, 29)), RandomNumberGenerator.GetBytes(8));
        return issued.CopyWithPrivateKey(key);
    }
}
