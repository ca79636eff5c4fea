namespace Levee.Learning;

/// <summary>What a prefetcher had of one front door.</summary>
/// <param name="FrontDoor">The front door.</param>
/// <param name="Received">Accesses that came, those out of order included.</param>
/// <param name="Lost">Accesses that had not come when later ones did: dropped at the front door, lost on the way, or late.</param>
/// <param name="OutOfOrder">Accesses that came after later ones, or again.</param>
public readonly record struct AccessCounts(ulong FrontDoor, long Received, long Lost, long OutOfOrder);
