using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Levee.Serving;

/// <summary>Tries TLS with a silo before this one joins it: Orleans would try on, and then end the process.</summary>
public static class ClusterHandshake
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>
    /// With TLS 1.3 a silo refuses a certificate after the handshake. It is given so long to say so; a silo that accepts one waits and says
    /// nothing.
    /// </summary>
    private static readonly TimeSpan RefusalPatience = TimeSpan.FromMilliseconds(500);

    /// <summary>Why a silo and this one cannot talk TLS, for people; null: they can, or nobody answers at all.</summary>
    public static async Task<string?> ObstacleAsync(IPEndPoint silo, ClusterCertificate certificate, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(silo);
        ArgumentNullException.ThrowIfNull(certificate);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(Patience);
        var isShown = false;
        var isAccepted = false;
        try
        {
            using var socket = new TcpClient(silo.AddressFamily);
            await socket.ConnectAsync(silo, patience.Token).ConfigureAwait(false);
            await using var tls = new SslStream(socket.GetStream());
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = certificate.Certificate.GetNameInfo(X509NameType.DnsName, forIssuer: false),
                    ClientCertificates = [certificate.Certificate],
                    RemoteCertificateValidationCallback = (_, peer, _, _) =>
                    {
                        isShown = true;
                        return isAccepted = peer is X509Certificate2 shown && certificate.Accepts(shown);
                    },
                },
                patience.Token).ConfigureAwait(false);
            return await IsHungUpAsync(tls, cancellation).ConfigureAwait(false) ? Refused(silo) : null;
        }
        catch (Exception failure) when (failure is AuthenticationException or IOException)
        {
            return !isShown ? $"the silo at {silo} does not talk TLS ({failure.Message})"
                : isAccepted ? Refused(silo)
                : $"the silo at {silo} shows a certificate that this one does not accept: "
                    + $"see {ClusterOption.TlsCertificate.Flag} and {ClusterOption.TlsTrust.Flag}";
        }
        catch (SocketException)
        {
            return null;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    private static string Refused(IPEndPoint silo) =>
        $"the silo at {silo} refuses the certificate of {ClusterOption.TlsCertificate.Flag}: all silos of a cluster show the same one, "
        + $"or one of an authority that all trust ({ClusterOption.TlsTrust.Flag})";

    private static async Task<bool> IsHungUpAsync(SslStream tls, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(RefusalPatience);
        try
        {
            return await tls.ReadAsync(new byte[1], patience.Token).ConfigureAwait(false) == 0;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return false;
        }
    }
}
