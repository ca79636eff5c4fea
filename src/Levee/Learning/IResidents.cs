namespace Levee.Learning;

/// <summary>Tells a prefetcher what is in memory already. It may be wrong now and then: a prediction of what is there costs little.</summary>
public interface IResidents
{
    /// <summary>Whether a key's entry is in memory. Never blocks.</summary>
    /// <param name="key">The key; empty where only its hash is known.</param>
    /// <param name="hash">Its routing hash (<see cref="Keys.KeyHash"/>).</param>
    bool IsResident(ReadOnlySpan<byte> key, ulong hash);
}
