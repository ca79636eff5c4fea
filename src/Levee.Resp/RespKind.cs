using System.Diagnostics.CodeAnalysis;

namespace Levee.Resp;

/// <summary>The kind of a reply (RESP specification, "RESP protocol description").</summary>
[SuppressMessage("Naming", "CA1720:Identifier contains type name", Justification = "The protocol's own words.")]
public enum RespKind : byte
{
    /// <summary>No value: <c>_</c>, and RESP2's <c>$-1</c> and <c>*-1</c>.</summary>
    Null,

    /// <summary>A short text: <c>+</c>.</summary>
    SimpleString,

    /// <summary>A refusal: <c>-</c>, and RESP3's <c>!</c>.</summary>
    Error,

    /// <summary>A 64-bit integer: <c>:</c>.</summary>
    Integer,

    /// <summary>Bytes: <c>$</c>.</summary>
    BulkString,

    /// <summary>A text for people: <c>=</c>. Its format prefix is taken off.</summary>
    VerbatimString,

    /// <summary>A floating point number: <c>,</c>.</summary>
    Double,

    /// <summary>A boolean: <c>#</c>.</summary>
    Boolean,

    /// <summary>An integer of any size, as text: <c>(</c>.</summary>
    BigNumber,

    /// <summary>Values in order: <c>*</c>.</summary>
    Array,

    /// <summary>Keys and values in turn: <c>%</c>.</summary>
    Map,

    /// <summary>Values without an order: <c>~</c>.</summary>
    Set,

    /// <summary>A message that answers no command: <c>&gt;</c>.</summary>
    Push,
}
