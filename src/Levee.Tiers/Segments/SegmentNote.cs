using System.Globalization;

namespace Levee.Tiers.Segments;

/// <summary>What a segment tier keeps in the note of its state: the number below which every segment of a generation is retired.</summary>
internal static class SegmentNote
{
    public static string Write(Guid generation, long floorSequence) => string.Create(CultureInfo.InvariantCulture, $"{Prefix(generation)}{floorSequence}");

    /// <summary>The number; 1 where the note is none of the generation.</summary>
    public static long Read(Guid generation, string note) =>
        note.StartsWith(Prefix(generation), StringComparison.Ordinal)
        && long.TryParse(note.AsSpan(Prefix(generation).Length), NumberStyles.None, CultureInfo.InvariantCulture, out var floor) ? floor : 1;

    private static string Prefix(Guid generation) => $"floor of {generation:N}: ";
}
