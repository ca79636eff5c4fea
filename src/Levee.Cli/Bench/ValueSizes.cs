namespace Levee.Cli.Bench;

/// <summary>How long a bench's values are, in bytes.</summary>
internal readonly record struct ValueSizes(int Min, int Max)
{
    /// <summary>The sizes as one would write them.</summary>
    public override string ToString() => Min == Max ? $"{Min}" : $"{Min}-{Max}";
}
