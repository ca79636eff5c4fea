using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Levee.Benchmarks;

if (args is ["sizes", var folder, var csv, var version])
{
    Console.Write(SizedHitRatios.Report(folder, csv, version));
    return;
}

// In this process: the repository's build properties (warnings as errors) would also hold for the projects that BenchmarkDotNet generates.
var job = Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithWarmupCount(4).WithIterationCount(8);
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args, DefaultConfig.Instance.AddJob(job));
