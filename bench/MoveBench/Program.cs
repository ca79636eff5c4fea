using System.Globalization;
using Levee.MoveBench;

// MoveBench one [rounds]: a partition with 64 MiB of entries moves to and fro between two hosts; with values of 100 bytes, then mixed with large ones.
// MoveBench all [partitions] [small|mixed]: so many of them, with 6 GiB of budget for each host, move at once.
// MoveBench slices [rounds]: what the two sides of a move do while a partition is held, in CPU time of the thread, so that a machine with other work shows the same.
return args.ElementAtOrDefault(0) switch
{
    "slices" => Slices.Run(Number(1, 5)),
    "one" => await OneAsync(Number(1, 5)),
    "all" => await AllAsync(Number(1, 64), args.ElementAtOrDefault(2) == "mixed"),
    _ => Usage(),
};

int Number(int at, int otherwise) => args.Length > at ? int.Parse(args[at], CultureInfo.InvariantCulture) : otherwise;

static async Task<int> OneAsync(int rounds)
{
    var lost = 0L;
    Console.WriteLine(MoveReport.Head);
    foreach (var isMixed in new[] { false, true })
    {
        await using var run = new MoveRun(partitions: 1, budgetBytes: 256L << 20, new Contents(64L << 20, isMixed));
        for (var round = 1; round <= rounds; round++)
        {
            var report = await run.MoveAsync();
            lost += report.Lost;
            Console.WriteLine(report.Row($"one, {(isMixed ? "mixed" : "100 bytes")}, {round}"));
        }
    }

    return lost == 0 ? 0 : 1;
}

static async Task<int> AllAsync(int partitions, bool isMixed)
{
    await using var run = new MoveRun(partitions, budgetBytes: 6L << 30, new Contents((64L << 20) * partitions, isMixed));
    var report = await run.MoveAsync();
    Console.WriteLine(MoveReport.Head);
    Console.WriteLine(report.Row($"{partitions}, {(isMixed ? "mixed" : "100 bytes")}"));
    return report.Lost == 0 ? 0 : 1;
}

static int Usage()
{
    Console.Error.WriteLine("Usage: MoveBench one [rounds, 5]");
    Console.Error.WriteLine("       MoveBench all [partitions, a power of two, 64] [small|mixed, small]");
    Console.Error.WriteLine("       MoveBench slices [rounds, 5]");
    return 2;
}
