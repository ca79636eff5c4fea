using System.Diagnostics;
using System.Globalization;
using Levee.Testing;
using Xunit;

namespace Levee.Frameworks.Tests;

/// <summary>
/// Clients in other languages, as they are installed here: what their default pipelines and transactions, locks, scripts and messages do.
/// </summary>
public sealed class ScriptedClientsTests
{
    private const string Python = """
        import redis, sys
        r = redis.Redis(port=int(sys.argv[1]), decode_responses=True)
        def refused(call, text):
            try: call()
            except redis.RedisError as e: assert text in str(e), e
            else: assert False, 'not refused'
        # The default pipeline is a transaction.
        p = r.pipeline(); p.set('a', '1').incr('n')
        refused(p.execute, 'pipeline(transaction=False)')
        assert r.exists('a', 'n') == 0
        # Watching is refused before anything is done.
        with r.pipeline() as p: refused(lambda: p.watch('a'), 'WATCH is not supported')
        refused(lambda: r.transaction(lambda p: p.multi(), 'a'), 'WATCH is not supported')
        assert r.pipeline(transaction=False).set('a', '1').incr('n').execute() == [True, 1]
        # Locks.
        lock = r.lock('lock', timeout=30)
        assert lock.acquire(blocking=False) and not r.lock('lock', timeout=30).acquire(blocking=False)
        assert lock.reacquire()
        refused(lambda: lock.extend(10), 'Levee runs no scripts')
        lock.release(); assert r.exists('lock') == 0
        refused(lambda: r.eval('return 1', 0), 'Levee runs no scripts')
        refused(lambda: r.publish('c', 'm'), 'Levee has no pub/sub')
        s = r.pubsub(); s.subscribe('c'); refused(lambda: s.get_message(timeout=5), 'Levee has no pub/sub')
        print('all well')
        """;

    private const string Ioredis = """
        const Redis = require('ioredis'); const assert = require('assert');
        (async () => {
          const r = new Redis({ port: +process.argv[1] });
          await assert.rejects(r.multi().set('a', 1).incr('n').exec(), /EXECABORT.*nothing was run/);
          assert.equal(await r.exists('a', 'n'), 0);
          await assert.rejects(r.multi({ pipeline: false }), /transactions are not supported/);
          await assert.rejects(r.set('a', 1), /nothing runs on this connection until EXEC/); assert.equal(await r.discard(), 'OK');
          await assert.rejects(r.watch('a'), /WATCH is not supported/);
          assert.deepEqual(await r.pipeline().set('a', 1).incr('n').exec(), [[null, 'OK'], [null, 1]]);
          await assert.rejects(r.eval('return 1', 0), /Levee runs no scripts/);
          await r.set('lock', 'me', 'PX', 30000, 'NX');
          const release = "if redis.call('get',KEYS[1]) == ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end";
          assert.equal(await r.eval(release, 1, 'lock', 'me'), 1);
          await assert.rejects(r.publish('c', 'm'), /Levee has no pub\/sub/);
          const s = new Redis({ port: +process.argv[1] }); await assert.rejects(s.subscribe('c'), /Levee has no pub\/sub/); await s.quit();
          await r.quit(); console.log('all well');
        })().catch(e => { console.error(e); process.exit(1); });
        """;

    private const string NodeRedis = """
        const { createClient } = require('redis'); const assert = require('assert');
        (async () => {
          const r = createClient({ url: 'redis://127.0.0.1:' + process.argv[1] }); r.on('error', () => {}); await r.connect();
          const isRefusal = e => /transactions are not supported/.test(String(e) + (e.errors || []).join());
          await assert.rejects(r.multi().set('a', '1').incr('n').exec(), isRefusal);
          assert.equal(await r.exists(['a', 'n']), 0);
          assert.deepEqual(await r.multi().set('a', '1').incr('n').execAsPipeline(), ['OK', 1]);
          await assert.rejects(r.eval('return 1'), /Levee runs no scripts/);
          await assert.rejects(r.publish('c', 'm'), /Levee has no pub\/sub/);
          await r.close(); console.log('all well');
        })().catch(e => { console.error(e); process.exit(1); });
        """;

    [Fact]
    public async Task Redis_py()
    {
        foreach (var python in new[] { Find("python3"), "/usr/bin/python3" })
        {
            // Debian's package is for Debian's python; another may come first on PATH.
            if (File.Exists(python) && (await RunAsync(python, "-c", "import redis")).ExitCode == 0)
            {
                await RunScriptAsync(python, "-c", Python);
                return;
            }
        }

        Assert.Skip("no python3 has the redis module");
    }

    [Fact]
    public Task Ioredis_() => NodeAsync("ioredis", Ioredis);

    [Fact]
    public Task Node_redis() => NodeAsync("redis", NodeRedis);

    private static async Task NodeAsync(string module, string script)
    {
        var node = Find("node");
        Assert.SkipWhen(node is null, "node is not on PATH");
        var probe = await RunAsync(node, "-e", $"require('{module}')");
        Assert.SkipWhen(probe.ExitCode != 0, $"{module} is not installed (NODE_PATH, or a node_modules beside the repository)");
        await RunScriptAsync(node, "-e", script);
    }

    private static string? Find(string program)
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        return folders.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
    }

    private static async Task RunScriptAsync(string program, string option, string script)
    {
        await using var server = await FrameworkServer.StartAsync();
        var (exitCode, output) = await RunAsync(program, option, script, server.Port.ToString(CultureInfo.InvariantCulture));
        Assert.Equal((0, "all well"), (exitCode, output.Trim()));
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            WorkingDirectory = Path.GetDirectoryName(Repository.Root)!,
        };
        var cancellation = TestContext.Current.CancellationToken;
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(cancellation);
        var errors = process.StandardError.ReadToEndAsync(cancellation);
        try
        {
            await process.WaitForExitAsync(cancellation).WaitAsync(TimeSpan.FromSeconds(60), cancellation);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        return (process.ExitCode, await output + await errors);
    }
}
