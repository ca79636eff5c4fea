namespace Levee.ClusterBench;

internal static class ClientBench
{
    public static Task RunAsync(BenchArguments arguments) => Task.CompletedTask;
}
