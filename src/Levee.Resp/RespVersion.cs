namespace Levee.Resp;

/// <summary>The version of the protocol that a connection speaks; a connection starts with 2 and <c>HELLO 3</c> changes it (RESP specification, "Client handshake").</summary>
public enum RespVersion : byte
{
    /// <summary>Strings, errors, integers, bulk strings and arrays.</summary>
    Resp2 = 2,

    /// <summary>Also nulls, doubles, booleans, maps, pushes and verbatim strings.</summary>
    Resp3 = 3,
}
