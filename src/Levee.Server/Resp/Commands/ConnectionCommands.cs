using System.Text;
using Levee.Resp;
using static Levee.Server.Resp.Commands.Parsing;

namespace Levee.Server.Resp.Commands;

/// <summary>Commands on the connection itself.</summary>
internal static class ConnectionCommands
{
    public static readonly Command[] All =
    [
        new("ping", -1, Ping),
        new("echo", 2, Echo),
        new("quit", -1, Quit) { RunsUnauthenticated = true, RunsInRefusedTransaction = true },
        new("reset", 1, Reset) { RunsUnauthenticated = true, RunsInRefusedTransaction = true, IsBarrier = true },
        new("auth", -2, Auth) { RunsUnauthenticated = true, IsBarrier = true },
        new("hello", -1, Hello) { RunsUnauthenticated = true, IsBarrier = true },
        new("select", 2, Select) { IsBarrier = true },
        new("client", -2, Client),
    ];

    private const string NameText = "Client names";
    private const int ListChunkBytes = 512;
    private const int ClientsPerTurn = 128;

    private static bool Ping(RespConversation c, scoped in Arguments a)
    {
        if (a.Count > 2)
        {
            return Refuse(c, "ERR wrong number of arguments for 'ping' command");
        }

        if (a.Count == 2)
        {
            ReplyFormatter.WriteBulk(c.Output, a[1]);
        }
        else
        {
            c.Output.Write("+PONG\r\n"u8);
        }

        return true;
    }

    private static bool Echo(RespConversation c, scoped in Arguments a)
    {
        ReplyFormatter.WriteBulk(c.Output, a[1]);
        return true;
    }

    private static bool Quit(RespConversation c, scoped in Arguments a)
    {
        ReplyFormatter.WriteOk(c.Output);
        c.Close();
        return true;
    }

    private static bool Reset(RespConversation c, scoped in Arguments a)
    {
        c.Version = RespVersion.Resp2;
        c.Cache = c.Server.Catalog.Default;
        c.Client.Name = "";
        c.Forget();
        c.EndRefusedTransaction();
        c.Output.Write("+RESET\r\n"u8);
        return true;
    }

    private static bool Auth(RespConversation c, scoped in Arguments a)
    {
        if (a.Count > 3)
        {
            return Refuse(c, SyntaxError);
        }

        if (!c.Server.Options.Credentials.AreRequired && a.Count == 2)
        {
            return Refuse(c, "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?");
        }

        c.RunSteps(AuthenticateAsync(c, (a.Count == 3 ? a[1] : "default"u8).ToArray(), a[a.Count - 1].ToArray(), static c => ReplyFormatter.WriteOk(c.Output)));
        return true;
    }

    private static bool Hello(RespConversation c, scoped in Arguments a)
    {
        var version = c.Version;
        if (a.Count > 1)
        {
            if (!TryInteger(a[1], out var asked))
            {
                return Refuse(c, "ERR Protocol version is not an integer or out of range");
            }

            if (asked is not (2 or 3))
            {
                return Refuse(c, "NOPROTO unsupported protocol version");
            }

            version = (RespVersion)asked;
        }

        var name = default(string);
        var credentials = 0;
        for (var i = 2; i < a.Count; i++)
        {
            if (Is(a[i], "AUTH"u8) && i + 2 < a.Count)
            {
                credentials = i + 1;
                i += 2;
            }
            else if (Is(a[i], "SETNAME"u8) && i + 1 < a.Count)
            {
                if (ClientText.Read(a[++i], NameText, out name) is { } error)
                {
                    return Refuse(c, error);
                }
            }
            else
            {
                return Refuse(c, $"ERR Syntax error in HELLO option '{CommandTable.Printable(a[i], 64)}'");
            }
        }

        if (credentials > 0)
        {
            c.RunSteps(AuthenticateAsync(c, a[credentials].ToArray(), a[credentials + 1].ToArray(), c => Greet(c, version, name)));
            return true;
        }

        if (!c.IsAuthenticated)
        {
            return Refuse(c, "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time");
        }

        Greet(c, version, name);
        return true;
    }

    /// <summary>What HELLO answers.</summary>
    private static void Greet(RespConversation c, RespVersion version, string? name)
    {
        c.Version = version;
        c.Client.Name = name ?? c.Client.Name;
        var output = c.Output;
        ReplyFormatter.WriteMap(output, 7, version);
        ReplyFormatter.WriteBulk(output, "server"u8);
        ReplyFormatter.WriteBulk(output, "redis"u8);
        ReplyFormatter.WriteBulk(output, "version"u8);
        ReplyFormatter.WriteBulk(output, ServerCommands.RedisVersion);
        ReplyFormatter.WriteBulk(output, "proto"u8);
        ReplyFormatter.WriteInteger(output, (int)version);
        ReplyFormatter.WriteBulk(output, "id"u8);
        ReplyFormatter.WriteInteger(output, c.Client.Id);
        ReplyFormatter.WriteBulk(output, "mode"u8);
        ReplyFormatter.WriteBulk(output, "standalone"u8);
        ReplyFormatter.WriteBulk(output, "role"u8);
        ReplyFormatter.WriteBulk(output, "master"u8);
        ReplyFormatter.WriteBulk(output, "modules"u8);
        ReplyFormatter.WriteArray(output, 0);
    }

    /// <summary>Lets the client in and answers, or refuses. Where its address has guessed wrong before, that takes a while, in which the connection's loop serves others.</summary>
    private static async Task AuthenticateAsync(RespConversation c, byte[] user, byte[] password, Action<RespConversation> answer)
    {
        var door = c.Server.Door;
        var turn = door.Begin(c.Remote);
        if (turn.IsRefused)
        {
            ReplyFormatter.WriteError(c.Output, $"ERR wrong passwords came from your address, and as many attempts as may wait are waiting; try again in {Math.Ceiling(turn.Delay.TotalSeconds)} s");
            return;
        }

        await c.Until(door.WaitAsync(turn));
        if (!door.Finish(c.Remote, turn, user, password))
        {
            ReplyFormatter.WriteError(c.Output, "WRONGPASS invalid username-password pair or user is disabled.");
            return;
        }

        c.Authenticate(Encoding.UTF8.GetString(user));
        answer(c);
    }

    /// <summary>Chooses a cache by its number in the order of configuration, or by its name.</summary>
    private static bool Select(RespConversation c, scoped in Arguments a)
    {
        var caches = c.Server.Catalog.Caches;
        if (TryInteger(a[1], out var number))
        {
            if (number < 0 || number >= caches.Count)
            {
                return Refuse(c, $"ERR DB index is out of range: caches are numbered 0 to {caches.Count - 1}");
            }

            c.Cache = caches[(int)number];
        }
        else if (c.Server.Catalog.TryGet(Encoding.UTF8.GetString(a[1]), out var named))
        {
            c.Cache = named;
        }
        else
        {
            return Refuse(c, $"ERR no cache is named '{CommandTable.Printable(a[1], 64)}'; there are: {string.Join(", ", caches.Select(x => x.Name))}");
        }

        ReplyFormatter.WriteOk(c.Output);
        return true;
    }

    private static bool Client(RespConversation c, scoped in Arguments a)
    {
        var sub = a[1];
        if (Is(sub, "ID"u8))
        {
            ReplyFormatter.WriteInteger(c.Output, c.Client.Id);
        }
        else if (Is(sub, "GETNAME"u8))
        {
            if (c.Client.Name.Length == 0)
            {
                ReplyFormatter.WriteNull(c.Output, c.Version);
            }
            else
            {
                ReplyFormatter.WriteBulk(c.Output, c.Client.Name);
            }
        }
        else if (Is(sub, "SETNAME"u8) && a.Count == 3)
        {
            if (ClientText.Read(a[2], NameText, out var name) is { } error)
            {
                return Refuse(c, error);
            }

            c.Client.Name = name;
            ReplyFormatter.WriteOk(c.Output);
        }
        else if (Is(sub, "SETINFO"u8) && a.Count == 4)
        {
            return SetInfo(c, a);
        }
        else if (Is(sub, "INFO"u8))
        {
            ReplyFormatter.WriteBulk(c.Output, Describe(c) + "\n");
        }
        else if (Is(sub, "LIST"u8))
        {
            if (!c.StartBarrier())
            {
                return false;
            }

            c.RunSteps(c.RunLong(() => ListAsync(c)));
        }
        else if (Is(sub, "KILL"u8) && a.Count >= 3)
        {
            return Kill(c, a);
        }
        else if (Is(sub, "NO-EVICT"u8) || Is(sub, "NO-TOUCH"u8) || Is(sub, "REPLY"u8))
        {
            if (a.Count != 3 || !(Is(a[2], "ON"u8) || Is(a[2], "OFF"u8)) || (Is(sub, "REPLY"u8) && !Is(a[2], "ON"u8)))
            {
                return Refuse(c, SyntaxError);
            }

            ReplyFormatter.WriteOk(c.Output);
        }
        else if (Is(sub, "TRACKINGINFO"u8))
        {
            ReplyFormatter.WriteMap(c.Output, 3, c.Version);
            ReplyFormatter.WriteBulk(c.Output, "flags"u8);
            ReplyFormatter.WriteArray(c.Output, 1);
            ReplyFormatter.WriteBulk(c.Output, "off"u8);
            ReplyFormatter.WriteBulk(c.Output, "redirect"u8);
            ReplyFormatter.WriteInteger(c.Output, -1);
            ReplyFormatter.WriteBulk(c.Output, "prefixes"u8);
            ReplyFormatter.WriteArray(c.Output, 0);
        }
        else if (Is(sub, "TRACKING"u8) && a.Count == 3 && Is(a[2], "OFF"u8))
        {
            ReplyFormatter.WriteOk(c.Output);
        }
        else if (Is(sub, "TRACKING"u8) || Is(sub, "CACHING"u8))
        {
            return Refuse(c, "ERR client tracking is not supported: no invalidations would be sent");
        }
        else
        {
            return Refuse(c, $"ERR unknown subcommand '{CommandTable.Printable(sub, 64)}'. Try CLIENT ID, INFO, LIST, KILL, GETNAME, SETNAME, SETINFO.");
        }

        return true;
    }

    private static bool SetInfo(RespConversation c, scoped in Arguments a)
    {
        var isName = Is(a[2], "LIB-NAME"u8);
        if (!isName && !Is(a[2], "LIB-VER"u8))
        {
            return Refuse(c, $"ERR Unrecognized option '{CommandTable.Printable(a[2], 64)}'");
        }

        if (ClientText.Read(a[3], isName ? "lib-name" : "lib-ver", out var text) is { } error)
        {
            return Refuse(c, error);
        }

        if (isName)
        {
            c.Client.LibraryName = text;
        }
        else
        {
            c.Client.LibraryVersion = text;
        }

        ReplyFormatter.WriteOk(c.Output);
        return true;
    }

    /// <summary>
    /// Lists the clients some at a time. The reply begins with its length, so it is gathered: as much as the staging area has room for.
    /// </summary>
    private static async Task ListAsync(RespConversation c)
    {
        var staging = c.Server.Staging;
        using var list = new ReplyBuffer(ListChunkBytes);
        var clients = c.Server.Conversations.ToArray();
        Array.Sort(clients, static (one, other) => one.Client.Id.CompareTo(other.Client.Id));
        for (var i = 0; i < clients.Length; i++)
        {
            list.Write(Encoding.UTF8.GetBytes(Describe(clients[i]) + "\n"));
            if (i % ClientsPerTurn != ClientsPerTurn - 1)
            {
                continue;
            }

            c.StepBytes = list.MemoryBytes + ((long)clients.Length * IntPtr.Size);
            if (list.Length > staging.CapacityBytes || (staging.IsFull && list.Length > StagingArea.FreeBytes))
            {
                var refusal = $"ERR the list is longer than what is free of {staging.CapacityBytes} bytes for all replies; ask again later";
                ReplyFormatter.WriteError(c.Output, refusal);
                return;
            }

            await c.NextTurn();
        }

        c.Output.Advance(RespWriter.WriteBulkHeader(c.Output.GetSpan(RespWriter.MaxHeaderBytes), (int)list.Length));
        c.Output.TakeFrom(list);
        c.Output.Write("\r\n"u8);
    }

    private static bool Kill(RespConversation c, scoped in Arguments a)
    {
        if (a.Count == 3)
        {
            var address = CommandTable.Printable(a[2], 64);
            if (!c.Server.Kill(client => client.Address == address))
            {
                return Refuse(c, "ERR No such client");
            }

            ReplyFormatter.WriteOk(c.Output);
            return true;
        }

        if (a.Count == 4 && Is(a[2], "ID"u8) && TryInteger(a[3], out var id))
        {
            ReplyFormatter.WriteInteger(c.Output, c.Server.Kill(client => client.Id == id) ? 1 : 0);
            return true;
        }

        if (a.Count == 4 && Is(a[2], "ADDR"u8))
        {
            var address = CommandTable.Printable(a[3], 64);
            ReplyFormatter.WriteInteger(c.Output, c.Server.Kill(client => client.Address == address) ? 1 : 0);
            return true;
        }

        return Refuse(c, "ERR CLIENT KILL takes an address, ID id or ADDR address");
    }

    private static string Describe(RespConversation c)
    {
        var client = c.Client;
        var caches = c.Server.Catalog.Caches;
        var number = caches.Count - 1;
        while (number >= 0 && caches[number] != c.Cache)
        {
            number--;
        }

        return $"id={client.Id} addr={client.Address} laddr={c.Server.EndPoint} fd=0 name={client.Name} age={(c.Server.Now - client.ConnectedAt) / 1000} idle=0 flags=N db={number} sub=0 psub=0 " +
            $"multi=-1 cmd={client.LastCommand?.Name ?? "NULL"} user={client.User} redir=-1 resp={(int)c.Version} lib-name={client.LibraryName} lib-ver={client.LibraryVersion}";
    }
}
