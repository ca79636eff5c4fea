namespace Levee.Learning;

/// <summary>Accesses of one front door, packed for the way to the prefetcher.</summary>
/// <param name="FrontDoor">Which front door saw them.</param>
/// <param name="Sequence">The number of the first: how many accesses the front door saw before it, those that it dropped included.</param>
/// <param name="Count">How many there are; none was dropped between them.</param>
/// <param name="Bytes">The packed form, with all of the above; shorter than <see cref="KeyList.MessageBytes"/>. <see cref="AccessBatchReader"/> reads it.</param>
public readonly record struct AccessBatch(ulong FrontDoor, long Sequence, int Count, byte[] Bytes)
{
    internal const byte Version = 2;

    /// <summary>Version (1 byte), front door (8), sequence (8), count (2); then a <see cref="KeyList"/>.</summary>
    internal const int HeadBytes = 19;
}
