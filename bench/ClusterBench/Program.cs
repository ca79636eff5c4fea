using Levee.ClusterBench;

// What the cluster's calls cost: in a silo, from a client in another process, and while a partition moves.
switch (args.FirstOrDefault())
{
    case "calls":
        await CallBench.RunAsync(BenchArguments.Of(args));
        return 0;
    case "client":
        await ClientBench.RunAsync(BenchArguments.Of(args));
        return 0;
    case "moves":
        await MoveBench.RunAsync(BenchArguments.Of(args));
        return 0;
    default:
        Console.Error.WriteLine("Usage: ClusterBench calls|client|moves [--keys N] [--rounds N] [--seconds N] [--callers N] [--gateways N] [--silo path of silo.dll]");
        return 2;
}
