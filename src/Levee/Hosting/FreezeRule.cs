namespace Levee.Hosting;

/// <summary>What a slot is to a freeze request.</summary>
internal enum SlotPhase
{
    /// <summary>It holds nothing.</summary>
    Empty,

    /// <summary>It serves the partition, though perhaps without a lease.</summary>
    Serving,

    /// <summary>It is being frozen.</summary>
    Freezing,

    /// <summary>It stopped serving, and the freeze failed.</summary>
    Stopped,

    /// <summary>It holds a frozen copy.</summary>
    Frozen,
}

/// <summary>A slot as a freeze request sees it.</summary>
/// <param name="Phase">What it is.</param>
/// <param name="OpenedEpoch">The latest epoch for which the partition was opened here; 0: never.</param>
/// <param name="FreezeEpoch">The epoch for which it is being frozen, or was frozen; else 0.</param>
/// <param name="KnownEpoch">The latest epoch known here; no other epoch of the slot is above it.</param>
internal readonly record struct SlotView(SlotPhase Phase, long OpenedEpoch, long FreezeEpoch, long KnownEpoch);

/// <summary>What is done with a freeze request.</summary>
internal enum FreezeStep
{
    /// <summary>The claim is over: a later owner is known.</summary>
    Refuse,

    /// <summary>Stop serving, and freeze.</summary>
    Freeze,

    /// <summary>Wait for the freeze that is under way for this owner.</summary>
    Join,

    /// <summary>Say that it cannot be said yet.</summary>
    Defer,

    /// <summary>Say what the frozen copy is.</summary>
    Give,

    /// <summary>Say that nothing is here.</summary>
    Deny,
}

/// <summary>Decides on freeze requests. The lease is not asked: a slot without a lease stops for the next owner like any other.</summary>
internal static class FreezeRule
{
    public static FreezeStep Of(in SlotView slot, long epoch)
    {
        if (epoch < slot.KnownEpoch)
        {
            return FreezeStep.Refuse;
        }

        return slot.Phase switch
        {
            // An owner does not stop what was opened for itself.
            SlotPhase.Serving => epoch > slot.OpenedEpoch ? FreezeStep.Freeze : FreezeStep.Refuse,
            SlotPhase.Freezing => epoch == slot.FreezeEpoch ? FreezeStep.Join : FreezeStep.Defer,
            SlotPhase.Stopped => FreezeStep.Freeze,
            SlotPhase.Frozen => FreezeStep.Give,
            _ => FreezeStep.Deny,
        };
    }
}
