namespace Levee.Server.Http;

/// <summary>What is written beside a value.</summary>
/// <param name="ContentType">ASCII; empty where none was given.</param>
/// <param name="Tags">Packed as the engine keeps them.</param>
/// <param name="Flags">The caller's own bits.</param>
/// <param name="Lifetime">How long the entry lives.</param>
internal readonly record struct EntryMetadata(byte[] ContentType, byte[] Tags, uint Flags, Lifetime Lifetime);
