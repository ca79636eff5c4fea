namespace Levee.Hosting;

/// <summary>Which contents a new owner goes on with, once all that may have served the partition before have stopped.</summary>
public static class Succession
{
    /// <summary>
    /// Chooses the copy with the newest contents. It is believed where nobody else can have opened the partition later: every other owner
    /// says so, or is dead and the copy is current.
    /// </summary>
    /// <param name="owners">What each owner before has answered, <see cref="FreezeOutcome.Frozen"/> or <see cref="FreezeOutcome.NotHere"/>;
    /// null: it is dead, and its lease is over.</param>
    /// <returns>The place of the copy's owner; null: the partition is opened empty.</returns>
    /// <exception cref="ArgumentException">An answer decides nothing yet.</exception>
    public static int? Choose(IReadOnlyList<FreezeAnswer?> owners)
    {
        ArgumentNullException.ThrowIfNull(owners);
        int? newest = null;
        for (var i = 0; i < owners.Count; i++)
        {
            if (owners[i] is { Outcome: not (FreezeOutcome.Frozen or FreezeOutcome.NotHere) } undecided)
            {
                throw new ArgumentException(
                    $"An owner has answered {undecided.Outcome}; allowed: {FreezeOutcome.Frozen}, {FreezeOutcome.NotHere}.", nameof(owners));
            }

            if (owners[i] is { Outcome: FreezeOutcome.Frozen } found && (newest is null || found.OpenedEpoch > owners[newest.Value]!.OpenedEpoch))
            {
                newest = i;
            }
        }

        if (newest is not { } chosen)
        {
            return null;
        }

        var copy = owners[chosen]!;
        return owners.All(owner => owner is null ? copy.IsCurrent : owner.OpenedEpoch <= copy.OpenedEpoch) ? newest : null;
    }
}
