using System.Runtime.InteropServices;
using Levee.ClusterLoad;

// Steady load over several servers, every read checked: exit code 1 where a read gave what it must not, 2 for a wrong command line.
LoadOptions options;
try
{
    options = LoadOptions.Parse(args);
}
catch (ArgumentException wrong)
{
    Console.Error.WriteLine($"{wrong.Message}\n{LoadOptions.Usage}");
    return 2;
}

using var ending = new CancellationTokenSource();
using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal =>
{
    signal.Cancel = true;
    ending.Cancel();
});
await using var run = new LoadRun(options, TimeProvider.System);
var report = await run.RunAsync(Console.WriteLine, ending.Token);
foreach (var line in report.ToLines())
{
    Console.WriteLine(line);
}

if (options.JsonFile is not null)
{
    await File.WriteAllTextAsync(options.JsonFile, report.ToJson());
}

return report.IsSound ? 0 : 1;
