namespace Levee.Learning;

/// <summary>Knows what is in memory.</summary>
public interface IResidents
{
    /// <summary>Whether the entry of a key lies in memory now, or did a moment ago. Counts as no use and changes nothing; safe for threads.</summary>
    /// <param name="key">The key.</param>
    /// <param name="hash">Its routing hash (<see cref="Keys.KeyHash"/>).</param>
    bool IsResident(ReadOnlySpan<byte> key, ulong hash);
}
