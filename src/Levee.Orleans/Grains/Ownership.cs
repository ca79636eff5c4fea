namespace Levee.Orleans.Grains;

/// <summary>Who owns a partition: the record in grain storage that a claim changes by its ETag.</summary>
[GenerateSerializer, Alias("levee.ownership")]
public sealed class Ownership
{
    /// <summary>Rises with each claim; 0: never claimed.</summary>
    [Id(0)]
    public long Epoch { get; set; }

    /// <summary>The owner's address in its parsable form; empty: never claimed.</summary>
    [Id(1)]
    public string Silo { get; set; } = "";

    /// <summary>The owners before that were not known to have stopped when the owner claimed the partition, in their parsable form: empty once it has opened it. A claim that is broken off leaves them to the next.</summary>
    [Id(3)]
    public IReadOnlyList<string> Predecessors { get; set; } = [];

    /// <summary>The owner's lasting name: what a silo is called again when it restarts on the same data.</summary>
    [Id(2)]
    public string Node { get; set; } = "";
}
