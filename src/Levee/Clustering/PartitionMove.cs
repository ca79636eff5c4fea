namespace Levee.Clustering;

/// <summary>A partition that is to change its silo.</summary>
/// <param name="Partition">The partition's number.</param>
/// <param name="From">The silo that had it.</param>
/// <param name="To">The silo that is to have it.</param>
public readonly record struct PartitionMove(int Partition, string From, string To);
