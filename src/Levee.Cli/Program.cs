using Levee.Cli;

return await CommandRoot.InvokeAsync(args, Console.Out, Console.Error);
