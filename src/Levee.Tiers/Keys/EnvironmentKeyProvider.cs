using Levee.Codec;

namespace Levee.Tiers.Keys;

/// <summary>Keys from an environment variable in the text form of <see cref="KeyRing"/>; several keys are parted by ';' or line ends. It cannot change while the process runs.</summary>
public sealed class EnvironmentKeyProvider : IKeyProvider
{
    private readonly string variable;

    /// <param name="variable">The variable's name.</param>
    public EnvironmentKeyProvider(string variable)
    {
        ArgumentException.ThrowIfNullOrEmpty(variable);
        this.variable = variable;
    }

    /// <inheritdoc/>
    public string Source => $"environment variable {variable}";

    /// <inheritdoc/>
    public ValueTask<KeyRing> ReadAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (Environment.GetEnvironmentVariable(variable) is not { Length: > 0 } text)
        {
            throw new TierException($"The {Source} is not set. It holds one or more keys as \"name key; name key\", the first one active.");
        }

        try
        {
            return ValueTask.FromResult(KeyRing.Parse(text));
        }
        catch (FormatException refusal)
        {
            throw new TierException($"The {Source} cannot be used. {refusal.Message}");
        }
    }
}
