namespace Levee.ClusterBench;

internal static class MoveBench
{
    public static Task RunAsync(BenchArguments arguments) => Task.CompletedTask;
}
