using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using Levee.Memory;
using Levee.Operations;
using Levee.Resp;
using Levee.Server.Resp.Commands;
using Levee.Server.Transport;

namespace Levee.Server.Resp;

/// <summary>
/// One client's conversation in RESP: parses commands in place, submits operations and puts the replies in request order.
/// <para>
/// <b>Life of a command.</b> <see cref="Consume"/> finds it, <see cref="CommandTable"/> names its handler, the handler submits an operation. Mostly the answer comes before
/// <see cref="ICacheHost.Submit"/> returns, while the partition is held, and is written straight into the output. Where it does not come, the command gets a slot, and
/// the replies of later commands queue behind it until it is answered; a pending command does not hold up later ones.
/// </para>
/// <para>
/// <b>Barriers.</b> Commands over many keys, and those that take several steps (hashes, RENAME, SCAN ...), start when nothing is pending and let nothing start before they are done.
/// </para>
/// <para>
/// <b>Bounds.</b> At most <see cref="RespOptions.MaxPending"/> slots and <see cref="RespOptions.MaxUnsentBytes"/> unsent bytes: beyond that nothing is read until the client has taken what is there.
/// A turn ends after 1,024 commands or 56 KiB of replies. Commands with long replies write them as the client reads
/// (<see cref="Drained"/>). What an unfinished command and unread replies take is
/// counted by the transport (<see cref="HeldBytes"/>), and given up when others need it (<see cref="TryGiveWay"/>).
/// </para>
/// Owned by its connection's loop; <see cref="Answer"/> alone is called from other threads too, and then only queues and wakes.
/// </summary>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "A conversation's life ends with Closed, which lets go of all it owns.")]
internal sealed partial class RespConversation : IConversation, IAnswerSink, ILargeArgumentSource, ISlowReader
{
    /// <summary>
    /// So much of a large argument must have come before it gets memory of its own: below, what has come waits with the rest of the
    /// command.
    /// </summary>
    private const int LargeBeginsBytes = Limits.MaxInlineBytes;

    /// <summary>Up to here the beginning of a command is parsed again for each piece that comes.</summary>
    private const int ReparsedBytes = 4096;

    /// <summary>What a parser may keep between commands.</summary>
    private const int RetainedParserBytes = 4096;

    private const string NoAuthentication = "NOAUTH Authentication required.";
    private const int CommandsPerTurn = 1024;
    private const int ReplyBytesPerTurn = 56 * 1024;

    private readonly RespServer server;
    private readonly IWaker waker;
    private readonly CommandParser parser;
    private readonly ReplyBuffer sending = new();
    private CommandAssembler? assembler;
    private ICacheHost? approached;
    private string discardError = "";
    private Random? random;
    private Restrictions restrictions;
    private int ownerThread;
    private bool hasMoreInput;
    private bool isBarrier;
    private bool isClosing;
    private volatile bool isKilled;
    private bool waitsForMemory;
    private long memoryDeadline;
    private LargeArgument? receiving;
    private volatile bool isLetGoAsked;
    private bool isListed;
    private long lastSent;

    public RespConversation(RespServer server, IWaker waker, EndPoint? remote)
    {
        this.server = server;
        this.waker = waker;
        Client = new ClientState(server.NextClientId(), remote?.ToString() ?? "?", server.Now);
        Remote = (remote as IPEndPoint)?.Address ?? IPAddress.None;
        Cache = server.Catalog.Default;
        restrictions = server.Options.Credentials.AreRequired ? Restrictions.Unauthenticated : Restrictions.None;
        parser = new CommandParser(Limits.MaxInlineBytes, RespOptions.MaxBulkBytes, server.Options.MaxCommandBytes) { IsUnauthenticated = !IsAuthenticated };
        Counters = RespCounters.OfThisThread(server);
        Output = sending;
    }

    /// <summary>What CLIENT LIST tells.</summary>
    public ClientState Client { get; }

    /// <summary>Where the client is; whoever is not on an IP network counts as one.</summary>
    public IPAddress Remote { get; }

    /// <summary>The cache that SELECT chose.</summary>
    public ICacheHost Cache { get; set; }

    public RespServer Server => server;

    /// <summary>The protocol that HELLO chose.</summary>
    public RespVersion Version { get; set; } = RespVersion.Resp2;

    public bool IsAuthenticated => (restrictions & Restrictions.Unauthenticated) == 0;

    /// <summary>
    /// Whether a MULTI was refused and neither EXEC nor DISCARD has come since. Until then no command runs: what belongs to a transaction
    /// must not be done without it.
    /// </summary>
    public bool IsInRefusedTransaction => (restrictions & Restrictions.RefusedTransaction) != 0;

    /// <summary>Where the running command writes: straight to the client, or behind the last pending slot.</summary>
    public ReplyBuffer Output { get; private set; }

    /// <summary>The time of this turn, in Unix milliseconds.</summary>
    public long Now { get; private set; }

    /// <summary>Whether what <see cref="ICacheHost.Approach"/> said of this turn's keys holds for the cache that is chosen now.</summary>
    public bool IsApproached => ReferenceEquals(approached, Cache);

    /// <summary>The counters of the thread that runs this turn.</summary>
    public RespCounters Counters { get; private set; }

    public ConversationState State
    {
        get
        {
            if (isKilled || (isClosing && !HasPending))
            {
                return ConversationState.Closing;
            }

            if (isClosing)
            {
                return ConversationState.Paused;
            }

            if (IsBlocked)
            {
                return ConversationState.Paused;
            }

            return hasMoreInput ? ConversationState.Yielded : ConversationState.Reading;
        }
    }

    public bool HasPending => isHeld || pending.Count > 0 || !steps.IsCompleted;

    private bool IsBlocked =>
        !steps.IsCompleted || waitsForMemory || (isBarrier && pending.Count > 0) || pending.Count >= server.Options.MaxPending || UnsentBytes >= server.Options.MaxUnsentBytes;

    /// <summary>A large value from which the running command writes its reply, piece by piece; it keeps a reference.</summary>
    public LargeValue? Source { get; set; }

    /// <summary>What the running command of several steps keeps, in bytes.</summary>
    public long StepBytes { get; set; }

    public long HeldBytes =>
        sending.MemoryBytes
        + (slots.Count > 0 ? parkedBytes + Output.MemoryBytes + ((long)slots.Count * ReplySlot.OwnBytes) : 0)
        + StepBytes
        + parser.HeldBytes
        + (assembler is null ? 0 : assembler.SmallBytes + (receiving?.TakenBytes ?? 0));

    /// <summary>All that the client has not taken: what may be sent, and what waits for an earlier reply.</summary>
    private long UnsentBytes => sending.Length + parkedBytes + (slots.Count > 0 ? Output.Length : 0);

    public int Consume(ReadOnlySpan<byte> input)
    {
        var began = BeginTurn();
        var consumed = 0;
        var commands = 0;
        var replied = sending.Length;
        hasMoreInput = false;
        while (!isClosing && !IsBlocked)
        {
            isBarrier = false;
            if (commands == CommandsPerTurn || sending.Length - replied >= ReplyBytesPerTurn)
            {
                hasMoreInput = consumed < input.Length;
                break;
            }

            var taken = assembler is null ? RunBatch(input[consumed..], replied, ref commands, out var isWhole) : RunAssembled(input[consumed..], ref commands, out isWhole);
            consumed += taken;
            if (!isWhole)
            {
                break;
            }
        }

        hasMoreInput |= consumed < input.Length && IsBlocked;
        if (parser.HeldBytes > RetainedParserBytes && consumed == input.Length)
        {
            parser.Shrink();
        }

        Cache.Flush(this);
        HoldUncommitted();
        ListAsReader();
        Counters.EndTurn(commands, consumed, sending.Length - replied, Stopwatch.GetTimestamp() - began);
        return consumed;
    }

    public void Continue()
    {
        BeginTurn();
        hasMoreInput |= waitsForMemory;
        waitsForMemory = false;
        SettleArrived();
        ContinueSteps();
        Cache.Flush(this);
        HoldUncommitted();
        ListAsReader();
        if (isLetGoAsked)
        {
            isLetGoAsked = false;
            if ((sending.HasUnowned || Source is { IsOwned: false }) && SlowReaders.IsStalled(lastSent))
            {
                // Nobody takes what is unsent, so nobody waits for it.
                isKilled = true;
                sending.Dispose();
            }
        }
    }

    public void Compact() => sending.Compact();

    public bool TryGiveWay()
    {
        const string refusal = "OOM the command was given up: " + StagingArea.GaveWay;
        waitsForMemory = false;
        if (assembler is { IsDiscarded: false })
        {
            Discard(refusal);
            return true;
        }

        if (isClosing || HasPending || UnsentBytes > 0)
        {
            return false;
        }

        ReplyFormatter.WriteError(Output, refusal);
        isClosing = true;
        return true;
    }

    /// <summary>Asked by <see cref="SlowReaders"/> from another thread.</summary>
    public void LetGo()
    {
        isLetGoAsked = true;
        waker.Wake();
    }

    public void Closed(string reason)
    {
        server.Forget(this, reason);
        server.Readers.Remove(this);
        isClosing = true;
        DropReplies();
        sending.Dispose();
        assembler?.Dispose();
        asker?.Leave();
    }

    /// <summary>A number from 0 to below a bound; for RANDOMKEY, where nothing hangs on it.</summary>
    public int NextRandom(int bound) => (random ??= new Random((int)Client.Id ^ (int)server.StartedAt)).Next(bound);

    /// <summary>Ends the conversation from outside (CLIENT KILL, shutdown).</summary>
    public void Kill()
    {
        isKilled = true;
        waker.Wake();
    }

    /// <summary>Wakes a conversation that waits for memory.</summary>
    public void Wake() => waker.Wake();

    /// <summary>Ends the conversation after what is unsent.</summary>
    public void Close() => isClosing = true;

    /// <summary>Makes the client a stranger again.</summary>
    public void Forget()
    {
        restrictions &= ~Restrictions.Unauthenticated;
        restrictions |= server.Options.Credentials.AreRequired ? Restrictions.Unauthenticated : Restrictions.None;
        parser.IsUnauthenticated = !IsAuthenticated;
        Client.User = "default";
    }

    /// <summary>Lets the client in.</summary>
    public void Authenticate(string user)
    {
        restrictions &= ~Restrictions.Unauthenticated;
        parser.IsUnauthenticated = false;
        Client.User = user;
    }

    /// <summary>Refuses all commands until the transaction that a client believes to have begun has ended.</summary>
    public void BeginRefusedTransaction() => restrictions |= Restrictions.RefusedTransaction;

    /// <summary>The transaction has ended, and nothing of it was run.</summary>
    public void EndRefusedTransaction() => restrictions &= ~Restrictions.RefusedTransaction;

    public ILargeArgument? TryCreate(int length)
    {
        if (length > Cache.LargeValues.MaxValueBytes)
        {
            return null;
        }

        receiving = new LargeArgument(Cache.LargeValues.Begin(length));
        return receiving;
    }

    /// <summary>
    /// Says whether this client reads large values: then it lets go of those that the cache has dropped, where it is slow and their memory
    /// is needed.
    /// </summary>
    private void ListAsReader()
    {
        var reads = sending.HasLarge || Source is not null;
        if (reads == isListed)
        {
            return;
        }

        isListed = reads;
        if (reads)
        {
            lastSent = Stopwatch.GetTimestamp();
            server.Readers.Add(this);
        }
        else
        {
            server.Readers.Remove(this);
        }
    }

    private void Discard(string error)
    {
        discardError = error;
        receiving = null;
        memoryDeadline = 0;
        assembler!.Discard();
    }

    private long BeginTurn()
    {
        ownerThread = Environment.CurrentManagedThreadId;
        Counters = RespCounters.OfThisThread(server);
        Now = server.Now;
        BeginHolding();
        return Stopwatch.GetTimestamp();
    }

    /// <summary>Parses a few commands ahead, fetches the memory that their keys need, and runs them.</summary>
    private int RunBatch(ReadOnlySpan<byte> input, long replied, ref int commands, out bool isWhole)
    {
        if (partsDone > 0)
        {
            if (parser.Count == 0)
            {
                parser.Parse(input); // It was one of a batch, and has been parsed for that only.
            }

            return RunAlone(input, ref commands, out isWhole);
        }

        var batch = CommandBatch.OfThisThread;
        batch.Clear();
        var parsed = 0;
        var status = CommandStatus.Complete;
        var isAlone = false;
        for (var most = Math.Min(IsAuthenticated ? CommandBatch.MaxCommands : 1, CommandsPerTurn - commands); batch.Count < most && parsed < input.Length && !isAlone;)
        {
            status = parser.Parse(input[parsed..]);
            if (status != CommandStatus.Complete)
            {
                break;
            }

            if (parser.Count > 0)
            {
                isAlone = !batch.TryAdd(parser, input[parsed..], parsed);
            }

            parsed += isAlone ? 0 : parser.ConsumedBytes;
        }

        if (batch.Count == 0)
        {
            return isAlone || status != CommandStatus.Complete ? parsed + RunUnbatched(status, input[parsed..], ref commands, out isWhole) : Done(parsed, parsed > 0, out isWhole);
        }

        batch.Approach(Cache, input);
        approached = Cache;
        for (var i = 0; i < batch.Count; i++)
        {
            ref readonly var item = ref batch[i];
            isBarrier = false;
            if (!Run(item.Command, batch.Arguments(i, input)))
            {
                hasMoreInput = true;
                parser.Reset();
                return Done(item.Begin, false, out isWhole);
            }

            commands++;
            if (isClosing || IsBlocked || sending.Length - replied >= ReplyBytesPerTurn)
            {
                if (i < batch.Count - 1 || status != CommandStatus.Complete || isAlone)
                {
                    parser.Reset();
                }

                return Done(item.End, true, out isWhole);
            }
        }

        if (isAlone || status is not (CommandStatus.Complete or CommandStatus.Incomplete))
        {
            // What comes next was parsed too early; it is parsed again in its turn.
            parser.Reset();
            return Done(parsed, true, out isWhole);
        }

        return Done(parsed, status == CommandStatus.Complete, out isWhole);
    }

    private static int Done(int consumed, bool whole, out bool isWhole)
    {
        isWhole = whole;
        return consumed;
    }

    /// <summary>Goes on after a parse that found no command for a batch.</summary>
    private int RunUnbatched(CommandStatus status, ReadOnlySpan<byte> input, ref int commands, out bool isWhole)
    {
        isWhole = false;
        switch (status)
        {
            case CommandStatus.Complete:
                return RunAlone(input, ref commands, out isWhole);
            case CommandStatus.Incomplete:
                return 0;
            case CommandStatus.Large when IsAuthenticated && parser.ConsumedBytes <= ReparsedBytes
                && input.Length - parser.ConsumedBytes < Math.Min(parser.LargeLength, LargeBeginsBytes):
                return 0;
            case CommandStatus.Large:
                assembler = new CommandAssembler(this, Limits.MaxInlineBytes, RespOptions.MaxBulkBytes, server.Options.MaxCommandBytes);
                assembler.Begin(parser, input);
                if (!IsAuthenticated)
                {
                    Discard(NoAuthentication);
                }

                isWhole = true;
                return parser.ConsumedBytes;
            default:
                RefuseProtocol(parser.Error!);
                return input.Length;
        }
    }

    /// <summary>Runs the command that the parser has found.</summary>
    private int RunAlone(ReadOnlySpan<byte> input, ref int commands, out bool isWhole)
    {
        var arguments = new Arguments(parser, input);
        isWhole = Run(CommandTable.Find(arguments[0]), arguments);
        if (!isWhole)
        {
            hasMoreInput = true;
            return 0;
        }

        commands++;
        return parser.ConsumedBytes;
    }

    private int RunAssembled(ReadOnlySpan<byte> input, ref int commands, out bool isWhole)
    {
        isWhole = false;
        var taken = assembler!.Feed(input);
        memoryDeadline = taken > 0 ? 0 : memoryDeadline;
        switch (assembler.Status)
        {
            case AssemblerStatus.Complete:
                if (assembler.IsDiscarded)
                {
                    ReplyFormatter.WriteError(Output, discardError);
                }
                else if (!RunAssembled())
                {
                    hasMoreInput = true;
                    return taken;
                }

                assembler.Dispose();
                assembler = null;
                receiving = null;
                commands++;
                isWhole = true;
                return taken;
            case AssemblerStatus.NeedsRoom:
                NeedRoom();
                isWhole = !waitsForMemory;
                return taken;
            case AssemblerStatus.Invalid:
                RefuseProtocol(assembler.Error!);
                return input.Length;
            default:
                return taken;
        }
    }

    private bool RunAssembled()
    {
        var arguments = new Arguments(assembler!);
        return Run(CommandTable.Find(arguments[0]), arguments);
    }

    private void NeedRoom()
    {
        if (assembler!.LargeLength > Cache.LargeValues.MaxValueBytes)
        {
            Discard(ReplyFormatter.Error(new Answer(Outcome.TooLarge, Cache.LargeValues.MaxValueBytes)));
            return;
        }

        if (receiving?.TryGrow() == true)
        {
            memoryDeadline = 0;
            return;
        }

        server.Staging.DropStalled(PageArena.PageBytes);
        if (memoryDeadline == 0)
        {
            memoryDeadline = Now + (long)server.Options.MemoryWait.TotalMilliseconds;
        }
        else if (Now >= memoryDeadline)
        {
            Discard(ReplyFormatter.Error(new Answer(Outcome.OutOfMemory)));
            return;
        }

        waitsForMemory = true;
        server.WakeWhenMemoryMayBeFree(this);
    }

    private void RefuseProtocol(string error)
    {
        server.LogProtocolError(this, error);
        ReplyFormatter.WriteError(Output, "ERR " + error);
        isClosing = true;
    }

    /// <summary>Runs a command.</summary>
    /// <returns>False where it is not done with this turn and must be offered again: a barrier that waits, or a command over very many keys.</returns>
    private bool Run(Command? command, scoped in Arguments arguments)
    {
        memoryDeadline = 0;
        if (command is null)
        {
            RefuseUnknown(arguments);
            return true;
        }

        if (!command.Accepts(arguments.Count))
        {
            ReplyFormatter.WriteError(Output, $"ERR wrong number of arguments for '{command.Name}' command");
            return true;
        }

        if (restrictions != Restrictions.None && Refusal(command) is { } refusal)
        {
            ReplyFormatter.WriteError(Output, refusal);
            return true;
        }

        if (command.IsBarrier && !StartBarrier())
        {
            return false;
        }

        Client.LastCommand = command;
        return command.Run(this, arguments);
    }

    private void RefuseUnknown(scoped in Arguments arguments)
    {
        var isKnown = MissingCommands.TryFind(arguments[0], out var name, out var alternative);
        ReplyFormatter.WriteError(Output, CommandTable.UnknownCommand(arguments, alternative));

        // Who subscribes gets an answer and waits for it; StackExchange.Redis tries once for each connection, and goes on without.
        if (isKnown && IsAuthenticated && !name!.EndsWith("SUBSCRIBE", StringComparison.Ordinal))
        {
            server.NoteRefused(this, name!, alternative!);
        }
    }

    private string? Refusal(Command command) =>
        !IsAuthenticated && !command.RunsUnauthenticated ? NoAuthentication
        : IsInRefusedTransaction && !command.RunsInRefusedTransaction ? TransactionCommands.NotRun
        : null;

    /// <summary>Why a connection may not run every command. One look tells the usual case, that there is no reason.</summary>
    [Flags]
    private enum Restrictions : byte
    {
        None = 0,
        Unauthenticated = 1,
        RefusedTransaction = 2,
    }
}
