using System.Globalization;

namespace Levee.Tiers.Redis;

/// <summary>Where a Redis tier's server is and how it is spoken to. Checked values: a bad one is refused when it is set. Its text holds no secret.</summary>
public sealed record RedisOptions
{
    private const int DefaultPort = 6379;

    /// <summary>The server's name or address.</summary>
    public required string Host
    {
        get;
        init => field = string.IsNullOrWhiteSpace(value) ? throw new ArgumentException("A Redis tier needs a host: redis://host:6379/0.", nameof(Host)) : value;
    }

    /// <summary>The server's port; 6379 where nothing is said.</summary>
    public int Port
    {
        get;
        init => field = value is > 0 and <= ushort.MaxValue ? value : throw new ArgumentException($"A port is 1 to 65535, not {value}.", nameof(Port));
    } = DefaultPort;

    /// <summary>The ACL user; null: the default user.</summary>
    public string? User { get; init; }

    /// <summary>The password; null: the server asks for none.</summary>
    public string? Password { get; init; }

    /// <summary>The database's number; 0 where nothing is said.</summary>
    public int Database
    {
        get;
        init => field = value >= 0 ? value : throw new ArgumentException($"A database's number is 0 or more, not {value}.", nameof(Database));
    }

    /// <summary>What the names of all keys begin with.</summary>
    public string Prefix
    {
        get;
        init => field = value is { Length: > 0 and <= 128 } ? value : throw new ArgumentException("A prefix has 1 to 128 characters.", nameof(Prefix));
    } = "levee";

    /// <summary>Whether the connection is encrypted (TLS).</summary>
    public bool UsesTls { get; init; }

    /// <summary>A PEM file with the certificates that may have signed the server's; null: those that the system trusts.</summary>
    public string? CertificateAuthorityFile { get; init; }

    /// <summary>Whether the server's certificate must name <see cref="Host"/>.</summary>
    public bool ChecksHostName { get; init; } = true;

    /// <summary>How long connecting may take, with TLS and authentication; 5 s where nothing is said.</summary>
    public TimeSpan ConnectTimeout
    {
        get;
        init => field = Positive(value, nameof(ConnectTimeout));
    } = TimeSpan.FromSeconds(5);

    /// <summary>How long a command may wait for its answer before the connection is given up; 1 s where nothing is said.</summary>
    public TimeSpan CommandTimeout
    {
        get;
        init => field = Positive(value, nameof(CommandTimeout));
    } = TimeSpan.FromSeconds(1);

    /// <summary>The first pause before connecting again; it doubles up to <see cref="MaxBackoff"/> and is jittered.</summary>
    public TimeSpan MinBackoff
    {
        get;
        init => field = Positive(value, nameof(MinBackoff));
    } = TimeSpan.FromMilliseconds(50);

    /// <summary>The longest pause before connecting again.</summary>
    public TimeSpan MaxBackoff
    {
        get;
        init => field = Positive(value, nameof(MaxBackoff));
    } = TimeSpan.FromSeconds(5);

    /// <summary>How many commands may be under way on the connection; a read beyond that fails at once. A power of two.</summary>
    public int MaxInFlight
    {
        get;
        init => field = value is >= 1024 and <= 1 << 20 && (value & (value - 1)) == 0
            ? value
            : throw new ArgumentException($"The pipeline's bound is a power of two from 1024 to 1048576, not {value}.", nameof(MaxInFlight));
    } = 16 * 1024;

    /// <summary>Bytes of records that wait in memory to be written; demotions beyond that are dropped.</summary>
    public long BufferBytes
    {
        get;
        init => field = value >= 64 * 1024 ? value : throw new ArgumentException($"The demotion buffer has at least 64 KiB, not {value} bytes.", nameof(BufferBytes));
    } = 32L << 20;

    /// <summary>The server without its credentials: <c>redis://host:6379/0</c>.</summary>
    public string Endpoint =>
        $"{(UsesTls ? "rediss" : "redis")}://{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port.ToString(CultureInfo.InvariantCulture)}/{Database.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>
    /// Reads <c>redis://[user[:password]@]host[:port][/database][?prefix=levee&amp;ca=file.pem&amp;checkHostName=false&amp;connectTimeoutMs=5000&amp;commandTimeoutMs=1000]</c>;
    /// <c>rediss://</c> means TLS. A password without a user is <c>redis://:password@host</c>. What has a meaning in a URI is escaped with %.
    /// </summary>
    /// <exception cref="ArgumentException">The URI is not such a one; the message says what is wrong and holds no secret.</exception>
    public static RedisOptions Parse(Uri uri)
    {
        ArgumentNullException.ThrowIfNull(uri);
        if (!uri.IsAbsoluteUri || uri.Scheme is not ("redis" or "rediss"))
        {
            throw new ArgumentException(
                $"A Redis tier's URI begins with redis:// or rediss:// (TLS){(uri.IsAbsoluteUri ? $", not {uri.Scheme}:" : "")}: redis://host:6379/0.", nameof(uri));
        }

        if (uri.Fragment.Length > 0)
        {
            throw new ArgumentException("A '#' in a Redis tier's URI has no meaning; within a password it is written %23.", nameof(uri));
        }

        var (user, password) = Credentials(uri.UserInfo);
        var options = new RedisOptions
        {
            Host = uri.IdnHost,
            Port = uri.Port is -1 or 0 ? DefaultPort : uri.Port,
            User = user,
            Password = password,
            Database = DatabaseOf(uri.AbsolutePath),
            UsesTls = uri.Scheme == "rediss",
        };
        foreach (var pair in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            options = equals > 0
                ? options.With(pair[..equals], Uri.UnescapeDataString(pair[(equals + 1)..]))
                : throw new ArgumentException("A parameter of a Redis tier's URI is name=value.", nameof(uri));
        }

        if (!options.UsesTls && (options.CertificateAuthorityFile is not null || !options.ChecksHostName))
        {
            throw new ArgumentException("ca and checkHostName are for TLS: write rediss:// instead of redis://.", nameof(uri));
        }

        return options;
    }

    /// <summary>The server without its credentials.</summary>
    public override string ToString() => Endpoint;

    private RedisOptions With(string name, string value) => name switch
    {
        "prefix" => this with { Prefix = value },
        "ca" => this with { CertificateAuthorityFile = value },
        "checkHostName" => this with { ChecksHostName = Switch(name, value) },
        "connectTimeoutMs" => this with { ConnectTimeout = Milliseconds(name, value) },
        "commandTimeoutMs" => this with { CommandTimeout = Milliseconds(name, value) },
        // A name of letters is safe to repeat; anything else may be a piece of a password that was not escaped.
        _ => throw new ArgumentException(
            $"{(name.Length <= 30 && name.All(char.IsAsciiLetter) ? $"'{name}' " : "One of the parameters ")}is no parameter of a Redis tier; there are prefix, ca, checkHostName, connectTimeoutMs, commandTimeoutMs.", nameof(name)),
    };

    private static (string? User, string? Password) Credentials(string userInfo)
    {
        if (userInfo.Length == 0)
        {
            return (null, null);
        }

        var colon = userInfo.IndexOf(':', StringComparison.Ordinal);
        var user = Uri.UnescapeDataString(colon < 0 ? userInfo : userInfo[..colon]);
        var password = colon < 0 ? null : Uri.UnescapeDataString(userInfo[(colon + 1)..]);
        return (user.Length == 0 ? null : user, password);
    }

    private static int DatabaseOf(string path)
    {
        var text = path.Trim('/');
        if (text.Length == 0)
        {
            return 0;
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new ArgumentException($"The path of a Redis tier's URI is the database's number, a whole number such as /0.", nameof(path));
    }

    private static bool Switch(string name, string value) => value switch
    {
        "true" => true,
        "false" => false,
        _ => throw new ArgumentException($"{name} is true or false.", nameof(value)),
    };

    private static TimeSpan Milliseconds(string name, string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? TimeSpan.FromMilliseconds(number)
            : throw new ArgumentException($"{name} is a whole number of milliseconds above 0.", nameof(value));

    private static TimeSpan Positive(TimeSpan value, string name) =>
        value > TimeSpan.Zero && value <= TimeSpan.FromHours(1) ? value : throw new ArgumentException($"{name} is more than nothing and at most an hour, not {value}.", name);
}
