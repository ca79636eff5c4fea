using System.Globalization;

namespace Levee.CrashChild;

/// <summary>What one run of the child is told, as <c>name=value</c> arguments.</summary>
public sealed record ChildOptions
{
    /// <summary>The folder that outlives runs.</summary>
    public required string Folder { get; init; }

    /// <summary>Addresses of the tiers, warmest first, with blanks between.</summary>
    public string Tiers { get; init; } = "file";

    public bool WritesThrough { get; init; }

    /// <summary>Whether what goes down is compressed and encrypted.</summary>
    public bool IsEncoded { get; init; }

    public ulong Seed { get; init; } = 1;

    public int Threads { get; init; } = 2;

    public int Keys { get; init; } = 600;

    /// <summary>The longest large value, in KiB beyond 9.</summary>
    public int Scale { get; init; } = 60;

    public long CapacityBytes { get; init; } = 8L << 20;

    public int SegmentBytes { get; init; } = 128 << 10;

    /// <summary>The first operation's number.</summary>
    public long FirstOp { get; init; } = 1;

    /// <summary>The beginning of the failpoints' names at which to die; empty: none.</summary>
    public string Failpoint { get; init; } = "";

    /// <summary>At which of them.</summary>
    public int FailpointCount { get; init; } = 1;

    /// <summary>The mechanism that is switched off; empty: none.</summary>
    public string Sabotage { get; init; } = "";

    /// <summary>How far the machine's clock is set back.</summary>
    public int ClockBackMs { get; init; }

    /// <summary>One operation in so many is a clear.</summary>
    public int ClearOneIn { get; init; } = 20_000;

    /// <summary>Operations that a thread does before it rests for a moment; 0: it never rests.</summary>
    public int Burst { get; init; }

    /// <summary>After how much load the run stops cleanly; 0: it goes on until it is killed.</summary>
    public int StopAfterMs { get; init; }

    public IEnumerable<string> ToArguments()
    {
        foreach (var property in typeof(ChildOptions).GetProperties())
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"{property.Name}={property.GetValue(this)}");
        }
    }

    public static ChildOptions Parse(IEnumerable<string> arguments)
    {
        var options = new ChildOptions { Folder = "" };
        foreach (var argument in arguments)
        {
            var equals = argument.IndexOf('=', StringComparison.Ordinal);
            var property = typeof(ChildOptions).GetProperty(argument[..equals]) ?? throw new ArgumentException($"There is no option {argument[..equals]}.", nameof(arguments));
            property.SetValue(options, Convert.ChangeType(argument[(equals + 1)..], property.PropertyType, CultureInfo.InvariantCulture));
        }

        return options;
    }
}
