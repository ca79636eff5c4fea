using System.Diagnostics;
using Xunit;

namespace Levee.Server.Tests.Resp;

/// <summary>Clients that others wrote, as they are installed here.</summary>
public sealed class StockClientsTests
{
    private const string PythonScript = """
        import redis, sys
        r = redis.Redis(port=int(sys.argv[1]))
        assert r.ping()
        assert r.set('a', 'b', ex=100) and r.get('a') == b'b' and 0 < r.ttl('a') <= 100
        assert r.get('none') is None
        assert r.mset({'k%d' % i: 'v%d' % i for i in range(3000)}) and r.mget('k0', 'none', 'k2999') == [b'v0', None, b'v2999']
        assert len(list(r.scan_iter('k*', count=100))) == 3000
        assert r.delete(*['k%d' % i for i in range(3000)]) == 3000
        assert r.hset('h', mapping={'f': 1, 'g': 'two'}) == 2 and r.hgetall('h') == {b'f': b'1', b'g': b'two'} and r.hincrby('h', 'f', 4) == 5
        assert dict(r.hscan_iter('h')) == {b'f': b'5', b'g': b'two'}
        assert r.incr('n', 5) == 5 and r.incrbyfloat('x', 1.5) == 1.5
        assert r.set('a', 'c', get=True) == b'b' and r.set('a', 'd', nx=True) is None and r.getex('a', persist=True) == b'c' and r.ttl('a') == -1
        big = b'x' * 3000000
        assert r.set('big', big) and r.get('big') == big and r.getrange('big', 5, 7) == b'xxx' and r.append('big', 'y') == 3000001
        with r.pipeline(transaction=False) as p:
            for i in range(1000): p.set(i, i).get(i)
            assert p.execute()[-1] == b'999'
        try: r.lpush('l', 1); assert False
        except redis.ResponseError as e: assert 'unknown command' in str(e)
        try: r.get('h'); assert False
        except redis.ResponseError as e: assert 'WRONGTYPE' in str(e)
        assert r.info()['redis_mode'] == 'standalone' and r.config_get('maxmemory')['maxmemory'] == str(64 << 20)
        assert r.client_setname('me') and r.client_getname() == 'me' and any(c['name'] == 'me' for c in r.client_list())
        assert r.rename('a', 'z') and r.type('h') == b'hash' and r.exists('z', 'a') == 1 and r.expire('z', 10) and r.persist('z')
        assert r.flushall() and r.dbsize() == 0
        print('all well')
        """;

    private const string NodeScript = """
        const Redis = require('ioredis'); const assert = require('assert');
        (async () => {
          const r = new Redis({ port: +process.argv[1], enableAutoPipelining: true });
          assert.equal(await r.set('a', 'b', 'EX', 100), 'OK'); assert.equal(await r.get('a'), 'b'); assert.equal(await r.get('none'), null);
          await r.mset({ k1: 1, k2: 2 }); assert.deepEqual(await r.mget('k1', 'none', 'k2'), ['1', null, '2']);
          await r.hset('h', { f: 1, g: 2 }); assert.deepEqual(await r.hgetall('h'), { f: '1', g: '2' });
          assert.deepEqual(await Promise.all([r.incr('n'), r.incr('n')]), [1, 2]);
          const all = []; for await (const keys of r.scanStream({ match: 'k*' })) all.push(...keys); assert.deepEqual(all.sort(), ['k1', 'k2']);
          await assert.rejects(r.lpush('l', 1), /unknown command/); assert.equal((await r.pipeline().set('p', 1).get('p').exec())[1][1], '1');
          const big = Buffer.alloc(2000000, 'x'); await r.set('big', big); assert.ok(big.equals(await r.getBuffer('big')));
          await r.quit(); console.log('all well');
        })().catch(e => { console.error(e); process.exit(1); });
        """;

    [Fact]
    public async Task Python_redis_works() => await RunScriptAsync(await PythonAsync(), "-c", PythonScript);

    [Fact]
    public async Task Ioredis_works()
    {
        var node = Program("node");
        var probe = await RunAsync(node, "-e", "require('ioredis')");
        Assert.SkipWhen(probe.ExitCode != 0, "ioredis is not installed (NODE_PATH, or a node_modules beside the repository)");
        await RunScriptAsync(node, "-e", NodeScript);
    }

    [Fact]
    public async Task Redis_cli_works()
    {
        var cli = Program("redis-cli");
        await using var rig = await ServerRig.StartAsync();
        foreach (var (arguments, expected) in new[]
        {
            ("SET greeting hello", "OK"), ("GET greeting", "hello"), ("-3 HGETALL none", ""), ("INCR n", "1"), ("--scan", "greeting\nn"), ("-r 3 INCR n", "2\n3\n4"), ("DBSIZE", "2"), ("NOTHING l 1", "ERR unknown command 'NOTHING', with args beginning with: 'l' '1'"),
        })
        {
            var (_, output) = await RunAsync(cli, ["-p", rig.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), .. arguments.Split(' ')]);
            Assert.Equal(expected, string.Join('\n', output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Order(StringComparer.Ordinal)));
        }
    }

    [Theory]
    [InlineData("1")]
    [InlineData("16")]
    public async Task Redis_benchmark_works(string pipeline)
    {
        var benchmark = Program("redis-benchmark");
        await using var rig = await ServerRig.StartAsync();
        var (exitCode, output) = await RunAsync(benchmark, "-p", rig.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), "-t", "ping,set,get,incr,mset,hset", "-n", "2000", "-c", "10", "-r", "1000", "-P", pipeline, "-q");
        Assert.Equal(0, exitCode);
        Assert.DoesNotContain("rror", output, StringComparison.Ordinal);
        Assert.DoesNotContain("WARNING", output, StringComparison.Ordinal);
        foreach (var test in new[] { "PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "HSET", "MSET (10 keys)" })
        {
            Assert.Matches(System.Text.RegularExpressions.Regex.Escape(test) + @": [\d.]+ requests per second", output);
        }
    }

    private static string Program(string name)
    {
        var path = RealRedis.Find(name);
        Assert.SkipWhen(path is null, $"{name} is not on PATH");
        return path;
    }

    private static async Task<string> PythonAsync()
    {
        foreach (var python in new[] { RealRedis.Find("python3"), "/usr/bin/python3" })
        {
            // Debian's package is for Debian's python; another may come first on PATH.
            if (File.Exists(python) && (await RunAsync(python, "-c", "import redis")).ExitCode == 0)
            {
                return python;
            }
        }

        Assert.Skip("no python3 has the redis module");
        return "";
    }

    private static async Task RunScriptAsync(string program, string option, string script)
    {
        await using var rig = await ServerRig.StartAsync();
        var (exitCode, output) = await RunAsync(program, option, script, rig.Port.ToString(System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal((0, "all well"), (exitCode, output.Trim()));
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, WorkingDirectory = RepositoryParent() };
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        try
        {
            await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        return (process.ExitCode, await output + await errors);
    }

    /// <summary>Node looks for modules from where it runs upwards: in the repository, then beside it.</summary>
    private static string RepositoryParent()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Orleans.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? AppContext.BaseDirectory;
    }
}
