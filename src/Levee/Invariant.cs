using System.Runtime.CompilerServices;

namespace Levee;

/// <summary>Checks that tests ask for. The text of an invariant that holds is never put together: tests check millions.</summary>
internal static class Invariant
{
    /// <summary>Throws where a condition that must always hold does not.</summary>
    public static void Holds(bool condition, string invariant)
    {
        if (!condition)
        {
            throw new InvalidOperationException($"Invariant broken: {invariant}.");
        }
    }

    /// <summary>Throws where a condition that must always hold does not.</summary>
    public static void Holds(bool condition, [InterpolatedStringHandlerArgument(nameof(condition))] ref Text invariant)
    {
        if (!condition)
        {
            throw new InvalidOperationException($"Invariant broken: {invariant.ToString()}.");
        }
    }

    /// <summary>A text that is put together only where the condition does not hold.</summary>
    [InterpolatedStringHandler]
    public ref struct Text
    {
        private DefaultInterpolatedStringHandler text;

        public Text(int literalLength, int formattedCount, bool condition, out bool isNeeded)
        {
            isNeeded = !condition;
            text = isNeeded ? new DefaultInterpolatedStringHandler(literalLength, formattedCount) : default;
        }

        public void AppendLiteral(string value) => text.AppendLiteral(value);

        public void AppendFormatted<T>(T value) => text.AppendFormatted(value);

        public override string ToString() => text.ToString();
    }
}
