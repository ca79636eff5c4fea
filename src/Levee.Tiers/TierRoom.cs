namespace Levee.Tiers;

/// <summary>Waits for room in a tier before it is given what another one has none for. A tier that cannot make any now is not waited for: then it drops what it is given, and counts that.</summary>
internal static class TierRoom
{
    public static async ValueTask MakeAsync(ITier? below, CancellationToken cancellation)
    {
        if (below is not { HasRoom: false })
        {
            return;
        }

        try
        {
            await below.DrainAsync(cancellation).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // It keeps nothing any more, and says so itself.
        }
    }
}
