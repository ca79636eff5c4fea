using Levee.Serving.Hosting;

return await ServerCommand.InvokeAsync(args, Console.Out, Console.Error);
