using System.Text;
using BenchmarkDotNet.Attributes;
using Levee.Resp;

namespace Levee.Benchmarks;

/// <summary>Parsing one GET and one SET of 100 bytes out of a full read buffer.</summary>
[MemoryDiagnoser]
public class CommandParserBenchmarks
{
    private const int Commands = 64;

    private readonly CommandParser parser = new(8192, 1 << 20, 1 << 20);
    private readonly byte[] gets = Repeat("*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000012\r\n");
    private readonly byte[] sets = Repeat($"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000012\r\n$100\r\n{new string('x', 100)}\r\n");

    [Benchmark(OperationsPerInvoke = Commands)]
    public int Get() => ParseAll(gets);

    [Benchmark(OperationsPerInvoke = Commands)]
    public int Set() => ParseAll(sets);

    private int ParseAll(ReadOnlySpan<byte> input)
    {
        var arguments = 0;
        while (!input.IsEmpty && parser.Parse(input) == CommandStatus.Complete)
        {
            arguments += parser.Count;
            input = input[parser.ConsumedBytes..];
        }

        return arguments;
    }

    private static byte[] Repeat(string command) => Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(command, Commands)));
}
