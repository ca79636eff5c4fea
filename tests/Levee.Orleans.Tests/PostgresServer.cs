using System.Diagnostics;
using System.Globalization;
using Levee.Testing;
using Levee.Tiers.Tests.Redis;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>A PostgreSQL of its own in a temporary folder, on a free loopback port, with an empty database. It runs as the user postgres where the tests run as root, for whom it refuses to run.</summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    private const string User = "levee";
    private const string Database = "levee";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly string folder;

    private PostgresServer(string folder, int port)
    {
        this.folder = folder;
        Port = port;
    }

    public int Port { get; }

    /// <summary>The database, as Npgsql takes it.</summary>
    public string ConnectionString => string.Create(CultureInfo.InvariantCulture, $"Host=127.0.0.1;Port={Port};Database={Database};Username={User}");

    private string Data => Path.Combine(folder, "data");

    /// <summary>Starts one; skips the test where none is installed.</summary>
    public static async Task<PostgresServer> StartAsync()
    {
        foreach (var program in (string[])["initdb", "pg_ctl", "psql"])
        {
            Assert.SkipWhen(Find(program) is null, $"PostgreSQL is not installed: {program} is neither on the PATH nor in /usr/lib/postgresql/*/bin.");
        }

        var server = new PostgresServer(Directory.CreateTempSubdirectory("levee-postgres-").FullName, RedisServer.FreePort());
        try
        {
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(server.folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute);
            }

            await RunAsServerAsync("initdb", "-D", server.Data, "-U", User, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync");
            string[] settings = ["-F", "-p", server.Port.ToString(CultureInfo.InvariantCulture), "-k", server.folder, "-c", "listen_addresses=127.0.0.1"];
            await RunAsServerAsync("pg_ctl", "start", "-w", "-t", "100", "-D", server.Data, "-l", Path.Combine(server.folder, "log"), "-o", string.Join(' ', settings));
            await server.PsqlAsync("postgres", "-c", $"CREATE DATABASE {Database}");
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a script in the database, as the documentation says.</summary>
    public Task ApplyAsync(string script) => PsqlAsync(Database, "-f", script);

    public async ValueTask DisposeAsync()
    {
        if (File.Exists(Path.Combine(Data, "postmaster.pid")))
        {
            await RunAsServerAsync("pg_ctl", "stop", "-w", "-m", "immediate", "-D", Data);
        }

        Directory.Delete(folder, recursive: true);
    }

    private Task PsqlAsync(string database, params string[] arguments) =>
        RunAsync(Find("psql")!, [string.Create(CultureInfo.InvariantCulture, $"host=127.0.0.1 port={Port} dbname={database} user={User}"), "-v", "ON_ERROR_STOP=1", "-q", .. arguments]);

    /// <summary>On the PATH, or where Debian puts what only one cluster at a time needs.</summary>
    private static string? Find(string program)
    {
        const string versions = "/usr/lib/postgresql";
        return InstalledServer.Find(program) ?? (Directory.Exists(versions) ? Directory.GetDirectories(versions) : [])
            .Select(version => Path.Combine(version, "bin", program)).Where(File.Exists).Order(StringComparer.Ordinal).LastOrDefault();
    }

    private static Task RunAsServerAsync(string program, params string[] arguments) => Environment.IsPrivilegedProcess && !OperatingSystem.IsWindows()
        ? RunAsync("setpriv", ["--reuid=postgres", "--regid=postgres", "--init-groups", Find(program)!, .. arguments])
        : RunAsync(Find(program)!, arguments);

    private static async Task RunAsync(string program, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Path.GetTempPath() })!;
        var printed = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None).WaitAsync(Patience, CancellationToken.None);
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {await printed}{await errors}");
    }
}
