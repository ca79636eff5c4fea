using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Levee.Resp;

namespace Levee.Tiers.Redis;

/// <content>Connecting: TCP, TLS, AUTH, CLIENT SETNAME, SELECT, PING, and what the server says of itself.</content>
internal sealed partial class RedisLink
{
    /// <summary>Connects, authenticates, selects the database and learns who the server is.</summary>
    /// <exception cref="RedisException">There is no usable server within the time-out; the message says why, without secrets.</exception>
    public static async Task<RedisLink> ConnectAsync(RedisOptions options, string clientName, TimeProvider time, IRedisReplies replies, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(options.ConnectTimeout);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        Stream? stream = null;
        RedisLink? link = null;
        try
        {
            await socket.ConnectAsync(options.Host, options.Port, deadline.Token).ConfigureAwait(false);
            stream = new NetworkStream(socket, ownsSocket: true);
            if (options.UsesTls)
            {
                stream = await SecureAsync(stream, options, deadline.Token).ConfigureAwait(false);
            }

            link = new RedisLink(stream, options, time, replies);
            link.Start(options.CommandTimeout);
            await link.ShakeHandsAsync(options, clientName).WaitAsync(deadline.Token).ConfigureAwait(false);
            return link;
        }
        catch (Exception failure) when (failure is SocketException or IOException or AuthenticationException or OperationCanceledException or RedisException or CryptographicException)
        {
            if (link is not null)
            {
                await link.DisposeAsync().ConfigureAwait(false);
            }

            socket.Dispose();
            cancellation.ThrowIfCancellationRequested();
            var kind = (failure as RedisException)?.Kind ?? RedisErrorKind.Unknown;
            var reason = failure is OperationCanceledException ? $"no answer within {options.ConnectTimeout.TotalSeconds:0.###} s" : failure.Message;
            throw new RedisException(kind, $"cannot use {options.Endpoint}: {reason}", failure);
        }
    }

    private static async Task<SslStream> SecureAsync(Stream stream, RedisOptions options, CancellationToken cancellation)
    {
        var tls = new SslClientAuthenticationOptions { TargetHost = options.Host };
        if (options.CertificateAuthorityFile is { } file)
        {
            tls.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            tls.CertificateChainPolicy.CustomTrustStore.ImportFromPemFile(file);
        }

        if (!options.ChecksHostName)
        {
            tls.RemoteCertificateValidationCallback = static (_, _, _, errors) => (errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) == SslPolicyErrors.None;
        }

        var secured = new SslStream(stream, leaveInnerStreamOpen: false);
        await secured.AuthenticateAsClientAsync(tls, cancellation).ConfigureAwait(false);
        return secured;
    }

    private async Task ShakeHandsAsync(RedisOptions options, string clientName)
    {
        if (options.Password is { } password)
        {
            await (options.User is { } user ? CallAsync("AUTH", user, password) : CallAsync("AUTH", password)).ConfigureAwait(false);
        }

        // Refused while the server still reads its data, and where it asks for a password that nobody gave.
        await CallAsync("PING").ConfigureAwait(false);
        if (options.Database != 0)
        {
            await CallAsync("SELECT", options.Database).ConfigureAwait(false);
        }

        await CallAsync("CLIENT", "SETNAME", clientName).ConfigureAwait(false);
        ClientId = (await CallAsync("CLIENT", "ID").ConfigureAwait(false)).AsInteger();
        RunId = Field(await CallAsync("INFO", "server").ConfigureAwait(false), "run_id:");
        if (RunId.Length == 0)
        {
            throw new RedisException(RedisErrorKind.Other, "the server's INFO has no run_id, without which its restart cannot be told");
        }

        var role = Field(await CallAsync("INFO", "replication").ConfigureAwait(false), "role:");
        if (role is "slave" or "replica")
        {
            throw new RedisException(RedisErrorKind.Replica, RedisErrors.Describe(RedisErrorKind.Replica, default));
        }
    }

    private static string Field(RespValue info, string name)
    {
        foreach (var line in Encoding.UTF8.GetString(info.Bytes.Span).Split('\n', StringSplitOptions.TrimEntries))
        {
            if (line.StartsWith(name, StringComparison.Ordinal))
            {
                return line[name.Length..];
            }
        }

        return "";
    }
}
