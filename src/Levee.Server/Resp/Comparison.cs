using System.Diagnostics.CodeAnalysis;
using Levee.Operations;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp;

/// <summary>
/// What a conditional command asks of the present value: that it is, or is not, these bytes, or one with this digest. As Redis 8.4 has it;
/// Valkey has IFEQ.
/// </summary>
internal sealed class Comparison
{
    private readonly bool wantsEqual;
    private readonly byte[]? value;
    private readonly ulong digest;

    private Comparison(bool wantsEqual, byte[]? value, ulong digest, bool takesAbsent = false)
    {
        HoldsWithoutEntry = !wantsEqual || takesAbsent;
        this.wantsEqual = wantsEqual;
        this.value = value;
        this.digest = digest;
    }

    /// <summary>Whether it holds where there is no entry: nothing differs from every value.</summary>
    public bool HoldsWithoutEntry { get; }

    /// <summary>Whether an argument is IFEQ, IFNE, IFDEQ or IFDNE.</summary>
    public static bool IsOption(ReadOnlySpan<byte> option) =>
        Is(option, "IFEQ"u8) || Is(option, "IFNE"u8) || Is(option, "IFDEQ"u8) || Is(option, "IFDNE"u8);

    /// <summary>That the value is these bytes.</summary>
    public static Comparison EqualTo(ReadOnlySpan<byte> value) => new(wantsEqual: true, value.ToArray(), 0);

    /// <summary>That the value is these bytes, or that there is no entry.</summary>
    public static Comparison EqualToOrAbsent(ReadOnlySpan<byte> value) => new(wantsEqual: true, value.ToArray(), 0, takesAbsent: true);

    /// <summary>Reads an option (<see cref="IsOption"/>) and what follows it.</summary>
    /// <returns>False with an error.</returns>
    public static bool TryRead(
        ReadOnlySpan<byte> option, ReadOnlySpan<byte> operand, [NotNullWhen(true)] out Comparison? comparison, out string error)
    {
        error = "";
        var wantsEqual = Is(option, "IFEQ"u8) || Is(option, "IFDEQ"u8);
        if (Is(option, "IFEQ"u8) || Is(option, "IFNE"u8))
        {
            comparison = new Comparison(wantsEqual, operand.ToArray(), 0);
            return true;
        }

        if (ValueDigest.TryParse(operand, out var digest))
        {
            comparison = new Comparison(wantsEqual, null, digest);
            return true;
        }

        comparison = null;
        error = $"ERR a digest must be exactly {ValueDigest.Characters} hexadecimal characters, as DIGEST gives it";
        return false;
    }

    /// <summary>Whether it holds for an entry that is a string of bytes.</summary>
    public bool Holds(scoped in EntryView entry) =>
        wantsEqual == (value is null ? ValueDigest.Of(entry) == digest : HasValue(entry, value));

    private static bool HasValue(scoped in EntryView entry, ReadOnlySpan<byte> value)
    {
        if (entry.ValueLength != value.Length)
        {
            return false;
        }

        if (entry.Large is not { } large)
        {
            return entry.Value.SequenceEqual(value);
        }

        for (var offset = 0; offset < value.Length;)
        {
            var block = large.Read(offset);
            if (!block.SequenceEqual(value.Slice(offset, block.Length)))
            {
                return false;
            }

            offset += block.Length;
        }

        return true;
    }
}
