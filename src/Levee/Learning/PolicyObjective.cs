using Levee.Eviction;

namespace Levee.Learning;

/// <summary>What a hit is worth, and so what "auto" makes the most of: a part that is the same for every entry, and a part that grows with its bytes.</summary>
/// <param name="Name">What people call it.</param>
/// <param name="PerMiss">What every miss costs; 0 or more, in a unit of the caller's choice, for example dollars.</param>
/// <param name="PerByte">What is added for each byte of the entry; 0 or more. One of both is above 0.</param>
public sealed record PolicyObjective(string Name, double PerMiss, double PerByte)
{
    /// <summary>Every miss costs the same: the object hit ratio is what counts.</summary>
    public static PolicyObjective Objects { get; } = new("objects", 1, 0);

    /// <summary>A miss costs what the entry weighs: the byte hit ratio is what counts.</summary>
    public static PolicyObjective Bytes { get; } = new("bytes", 0, 1);

    /// <summary>The money that misses cost.</summary>
    /// <param name="dollarsPerMiss">What every miss costs.</param>
    /// <param name="dollarsPerByte">What is added for each byte.</param>
    public static PolicyObjective Money(double dollarsPerMiss, double dollarsPerByte) => new("money", dollarsPerMiss, dollarsPerByte);

    /// <summary>Whether both parts are numbers that make sense.</summary>
    internal bool IsValid => double.IsFinite(PerMiss) && double.IsFinite(PerByte) && PerMiss >= 0 && PerByte >= 0 && PerMiss + PerByte > 0;

    internal MissCost CostOf(int unitBytes) => new(PerMiss, PerByte * unitBytes);
}

/// <summary>Which policies are compared.</summary>
internal static class PolicyCandidates
{
    /// <summary>
    /// With which "auto" begins: the one whose mistake is the cheapest to correct. Who begins with a policy that keeps what came last finds a loop at its second round, and has by then lost what LIRS would have kept;
    /// who begins with LIRS where recency is all that counts has lost little once a cache's fill has gone by.
    /// </summary>
    public const string First = Policies.Lirs;

    /// <summary>The candidates: one that knows of cost and size is among them where these differ and the objective is not bytes alone, for which every byte of room is worth the same.</summary>
    public static IReadOnlyList<string> For(MissCost cost, bool hasWeights) =>
        hasWeights && cost.Fixed > 0 ? [Policies.Arc, Policies.S3Fifo, Policies.TinyLfu, Policies.Lirs, Policies.Gdsf] : [Policies.Arc, Policies.S3Fifo, Policies.TinyLfu, Policies.Lirs];
}
