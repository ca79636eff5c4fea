using Levee.Silo;

return await SiloCommand.InvokeAsync(args, Console.Out, Console.Error);
