using System.Net.Sockets;
using System.Net;
using Levee.Server.Transport;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Levee.Server.Tests.Transport;

/// <summary>What both transports promise a conversation.</summary>
public sealed class TransportTests
{
    public static TheoryData<string> Kinds => TransportRig.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Bytes_arrive_whole_and_in_order_however_they_are_split(string kind)
    {
        const int seed = 20261121;
        var random = new Random(seed);
        await using var rig = new TransportRig(kind, Scripts.Echo, loops: 2);
        using var client = rig.Connect();
        var sent = new byte[300_000];
        random.NextBytes(sent);
        var reading = Task.Run(() => client.ReadExactly(sent.Length), TestContext.Current.CancellationToken);
        for (var start = 0; start < sent.Length;)
        {
            var length = Math.Min(sent.Length - start, random.Next(4) == 0 ? random.Next(1, 70_000) : random.Next(1, 300));
            client.Send(sent, start, length, SocketFlags.None);
            start += length;
        }

        Assert.Equal(sent, await reading.WaitAsync(TransportRig.Patience, TestContext.Current.CancellationToken));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task What_is_not_consumed_is_offered_again_with_what_follows(string kind)
    {
        await using var rig = new TransportRig(kind, Scripts.EchoLines);
        using var client = rig.Connect();
        foreach (var letter in "one line, byte by byte\n"u8.ToArray())
        {
            client.Send([letter]);
        }

        Assert.Equal("one line, byte by byte\n"u8, client.ReadExactly(23));

        // Larger than half the shared buffer: the connection's own buffer grows with it.
        var line = new byte[1_000_000];
        line.AsSpan().Fill((byte)'x');
        line[^1] = (byte)'\n';
        var reading = Task.Run(() => client.ReadExactly(line.Length), TestContext.Current.CancellationToken);
        client.Send(line);
        Assert.Equal(line, await reading);
        client.AssertEchoes();
        var conversation = rig.Next();
        Assert.Equal(line.Length, conversation.LargestInput);
        Assert.False(conversation.WasShared);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Pipelined_requests_are_answered_in_order(string kind)
    {
        await using var rig = new TransportRig(kind, Scripts.EchoLines);
        using var client = rig.Connect();
        var requests = System.Text.Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 50_000).Select(i => $"request {i}\n")));
        var reading = Task.Run(() => client.ReadExactly(requests.Length), TestContext.Current.CancellationToken);
        client.Send(requests);
        Assert.Equal(requests, await reading);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task All_output_of_a_read_batch_goes_out_in_one_send(string kind)
    {
        await using var rig = new TransportRig(kind, static (conversation, input) =>
        {
            foreach (var letter in input)
            {
                conversation.Say([letter]);
            }

            return input.Length;
        });
        using var client = rig.Connect();
        for (var batch = 0; batch < 100; batch++)
        {
            client.AssertEchoes("a hundred requests in one packet are answered in one packet\n");
        }

        var conversation = rig.Next();
        client.Close();
        await conversation.Reason();
        Assert.InRange(conversation.Consumes, 100, 200);
        Assert.Equal(conversation.Consumes, conversation.Sends);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_connection_that_always_yields_does_not_starve_another(string kind)
    {
        var spinning = true;
        await using var rig = new TransportRig(kind, (conversation, input) =>
        {
            if (input.StartsWith("spin"u8))
            {
                conversation.State = Volatile.Read(ref spinning) ? ConversationState.Yielded : ConversationState.Reading;
                return Volatile.Read(ref spinning) ? 0 : Scripts.Echo(conversation, input);
            }

            return Scripts.Echo(conversation, input);
        });
        using var spinner = rig.Connect();
        spinner.Send("spin"u8);
        var yielding = rig.Next();
        using var other = rig.Connect();
        for (var i = 0; i < 1_000; i++)
        {
            other.AssertEchoes();
        }

        Assert.True(yielding.Consumes > 100);
        Volatile.Write(ref spinning, false);
        Assert.Equal("spin"u8, spinner.ReadExactly(4));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_conversation_that_yields_gets_its_turns_without_new_bytes(string kind)
    {
        await using var rig = new TransportRig(kind, static (conversation, input) =>
        {
            // One byte a turn.
            conversation.Say(input[..Math.Min(1, input.Length)]);
            conversation.State = input.Length > 1 ? ConversationState.Yielded : ConversationState.Reading;
            return Math.Min(1, input.Length);
        });
        using var client = rig.Connect();
        client.AssertEchoes("in ever so many turns\n");
        client.Send("and a client that has ended its side gets them all"u8);
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal("and a client that has ended its side gets them all"u8, client.ReadToEnd());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_paused_conversation_reads_nothing_until_it_is_woken_from_another_thread(string kind)
    {
        const int clients = 8;
        const int requests = 500;
        await using var rig = new TransportRig(
            kind,
            static (conversation, input) =>
            {
                Assert.NotEqual(ConversationState.Paused, conversation.State);
                var end = input.IndexOf((byte)'\n') + 1;
                if (end > 0)
                {
                    conversation.Say(input[..end]);
                    conversation.State = ConversationState.Paused;
                    ThreadPool.UnsafeQueueUserWorkItem(static waker => waker.Wake(), conversation.Waker, preferLocal: false);
                }

                return end;
            },
            loops: 2,
            prepare: static conversation => conversation.OnContinue = static conversation => conversation.State = ConversationState.Reading);
        await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(() =>
        {
            // Each line is consumed alone: what lies behind it is offered after the wake, although nothing more arrives.
            using var client = rig.Connect();
            var text = System.Text.Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, requests).Select(i => $"{i}\n")));
            client.Send(text);
            Assert.Equal(text, client.ReadExactly(text.Length));
        }, TestContext.Current.CancellationToken)));
        for (var i = 0; i < clients; i++)
        {
            // It ends only after the last wake, which the client does not see.
            var conversation = rig.Next();
            Assert.Equal("closed by client", await conversation.Reason());
            Assert.Equal(requests, conversation.Continues);
            Assert.False(conversation.WasShared);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task No_wake_is_lost_when_many_threads_wake_at_once(string kind)
    {
        const int rounds = 3_000;
        const int wakers = 4;
        var wanted = 0;
        using var seen = new SemaphoreSlim(0);
        var acknowledged = 0;
        await using var rig = new TransportRig(kind, Scripts.Echo, prepare: conversation => conversation.OnContinue = _ =>
        {
            var latest = Volatile.Read(ref wanted);
            if (latest != acknowledged)
            {
                acknowledged = latest;
                seen.Release();
            }
        });
        using var client = rig.Connect();
        var waker = rig.Next().Waker;
        using var gate = new Barrier(wakers + 1);
        var threads = Enumerable.Range(0, wakers).Select(_ => new Thread(() =>
        {
            for (var round = 0; round < rounds; round++)
            {
                gate.SignalAndWait();
                waker.Wake();
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        for (var round = 1; round <= rounds; round++)
        {
            Volatile.Write(ref wanted, round);
            gate.SignalAndWait(TestContext.Current.CancellationToken);
            Assert.True(await seen.WaitAsync(TransportRig.Patience, TestContext.Current.CancellationToken), $"wake {round} was lost");
        }

        threads.ForEach(thread => thread.Join());
        client.AssertEchoes();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_wake_from_within_continues_later_and_after_the_end_does_nothing(string kind)
    {
        await using var rig = new TransportRig(
            kind,
            static (conversation, input) =>
            {
                conversation.State = ConversationState.Paused;
                conversation.Waker.Wake();
                Assert.Equal(0, conversation.Continues);
                return input.Length;
            },
            prepare: static conversation => conversation.OnContinue = static conversation =>
            {
                conversation.Say("woken"u8);
                conversation.State = ConversationState.Closing;
            });
        using var client = rig.Connect();
        client.Send("x"u8);
        Assert.Equal("woken"u8, client.ReadToEnd());
        var conversation = rig.Next();
        client.Close();
        Assert.Equal("closed by server", await conversation.Reason());
        conversation.Waker.Wake();
        await rig.Transport.StopAsync(CancellationToken.None);
        conversation.Waker.Wake();
        Assert.Equal(1, conversation.Continues);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_half_closed_client_gets_what_it_asked_for_also_when_it_comes_late(string kind)
    {
        await using var rig = new TransportRig(
            kind,
            static (conversation, input) =>
            {
                conversation.Say("at once, "u8);
                conversation.HasPending = true;
                return input.Length;
            },
            prepare: static conversation => conversation.OnContinue = static conversation =>
            {
                conversation.Say("and later"u8);
                conversation.HasPending = false;
            });
        using var client = rig.Connect();
        client.Send("question"u8);
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal("at once, "u8, client.ReadExactly(9));
        var conversation = rig.Next();
        Assert.False(conversation.ClosedReason.IsCompleted);
        conversation.Waker.Wake();
        Assert.Equal("and later"u8, client.ReadToEnd());
        Assert.Equal("closed by client", await conversation.Reason());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_client_that_never_reads_is_closed_and_the_others_are_unharmed(string kind)
    {
        const int bound = 256 * 1024;
        var limits = new TransportLimits { SendTimeout = TimeSpan.FromMilliseconds(300) };
        await using var rig = new TransportRig(
            kind,
            static (conversation, input) =>
            {
                Scripts.Echo(conversation, input);
                conversation.State = conversation.Unsent.Length > bound ? ConversationState.Paused : ConversationState.Reading;
                return input.Length;
            },
            limits,
            prepare: static conversation => conversation.OnSent = static conversation =>
                conversation.State = conversation.Unsent.Length > bound ? ConversationState.Paused : ConversationState.Reading);
        using var other = rig.Connect();
        other.AssertEchoes();
        using var deaf = rig.Connect(receiveBufferBytes: 16 * 1024);
        var piece = new byte[64 * 1024];
        await Assert.ThrowsAsync<SocketException>(() => Task.Run(() =>
        {
            for (var i = 0; i < 10_000; i++)
            {
                deaf.Send(piece);
            }
        }, TestContext.Current.CancellationToken));
        rig.Next();
        var conversation = rig.Next();
        Assert.StartsWith("took nothing of its output for", await conversation.Reason(), StringComparison.Ordinal);
        Assert.True(conversation.Unsent.Length <= bound + (64 * 1024), $"{conversation.Unsent.Length} bytes of output were piled up");
        Assert.Equal(1, rig.Transport.LimitClosures);
        other.AssertEchoes();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_slow_reader_gets_everything(string kind)
    {
        const int total = 20_000_000;
        var produced = 0;
        await using var rig = new TransportRig(
            kind,
            (conversation, input) =>
            {
                More(conversation);
                return input.Length;
            },
            prepare: conversation => conversation.OnSent = More);
        using var client = rig.Connect(receiveBufferBytes: 16 * 1024);
        client.Send("all"u8);
        var bytes = client.ReadExactly(total);
        for (var i = 0; i < total; i++)
        {
            if (bytes[i] != (byte)(i % 251))
            {
                Assert.Fail($"Byte {i} is wrong.");
            }
        }

        void More(ScriptedConversation conversation)
        {
            while (produced < total && conversation.Unsent.Length < 100_000)
            {
                var piece = new byte[Math.Min(30_000, total - produced)];
                for (var i = 0; i < piece.Length; i++)
                {
                    piece[i] = (byte)((produced + i) % 251);
                }

                produced += piece.Length;
                conversation.Say(piece);
            }

            conversation.State = produced < total ? ConversationState.Paused : ConversationState.Reading;
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task The_last_words_of_a_closing_conversation_reach_a_client_that_goes_on_sending(string kind)
    {
        await using var rig = new TransportRig(kind, static (conversation, input) =>
        {
            conversation.Say("-ERR Protocol error\r\n"u8);
            conversation.State = ConversationState.Closing;
            return input.Length;
        });
        for (var i = 0; i < 20; i++)
        {
            using var client = rig.Connect();
            client.Send(new byte[1024 * 1024]);

            // Sending to a closed socket brings a reset, and the send after that fails.
            Assert.Equal("closed by server", await rig.Next().Reason());
            for (var more = 0; more < 20; more++)
            {
                client.Send(new byte[1024]);
            }

            Assert.Equal("-ERR Protocol error\r\n"u8, client.ReadToEnd());
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Connections_beyond_the_limit_are_closed_at_once_and_a_free_place_is_given_again(string kind)
    {
        await using var rig = new TransportRig(kind, Scripts.Echo, new TransportLimits { MaxConnections = 2 }, loops: 2);
        using var first = rig.Connect();
        using var second = rig.Connect();
        first.AssertEchoes();
        second.AssertEchoes();
        using (var third = rig.Connect())
        {
            Assert.True(third.IsClosedByServer());
        }

        Assert.Equal(1, rig.Transport.LimitClosures);
        Assert.Equal(2, rig.Transport.ConnectionCount);
        var conversation = rig.Next();
        var other = rig.Next();
        first.Close();
        await (await Task.WhenAny(conversation.ClosedReason, other.ClosedReason).WaitAsync(TransportRig.Patience, TestContext.Current.CancellationToken));
        Assert.True(SpinWait.SpinUntil(() => rig.Transport.ConnectionCount == 1, TransportRig.Patience));
        using var fourth = rig.Connect();
        fourth.AssertEchoes();
        second.AssertEchoes();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task An_idle_connection_is_closed_and_one_that_waits_for_its_answer_is_not_idle(string kind)
    {
        await using var rig = new TransportRig(
            kind,
            static (conversation, input) =>
            {
                conversation.State = input.StartsWith("wait"u8) ? ConversationState.Paused : ConversationState.Reading;
                return input.Length;
            },
            new TransportLimits { IdleTimeout = TimeSpan.FromMilliseconds(100) },
            prepare: static conversation => conversation.OnContinue = static conversation =>
            {
                conversation.Say("answer"u8);
                conversation.State = ConversationState.Reading;
            });
        using var waiting = rig.Connect();
        waiting.Send("wait"u8);
        var paused = rig.Next();
        using var idle = rig.Connect();
        Assert.Equal("idle for 0.1 s", await rig.Next().Reason());
        Assert.True(idle.IsClosedByServer());
        Assert.Equal(1, rig.Transport.LimitClosures);
        paused.Waker.Wake();
        Assert.Equal("answer"u8, waiting.ReadExactly(6));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Stop_sends_what_is_unsent_then_closes(string kind)
    {
        var output = new byte[8_000_000];
        new Random(1).NextBytes(output);
        await using var rig = new TransportRig(kind, (conversation, input) =>
        {
            conversation.Say(output);
            return input.Length;
        }, new TransportLimits { DrainTimeout = TransportRig.Patience });
        using var client = rig.Connect();
        using var idle = rig.Connect();
        client.Send("all"u8);
        Assert.Equal(output[0], client.ReadExactly(1)[0]);
        var stopping = rig.Transport.StopAsync(CancellationToken.None);
        Assert.Equal(output[1..], client.ReadToEnd());
        Assert.True(idle.IsClosedByServer());
        await stopping.WaitAsync(TransportRig.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(0, rig.Transport.ConnectionCount);
        Assert.Equal("server stopped", await rig.Next().Reason());
        Assert.Throws<SocketException>(() => rig.Connect());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Stop_waits_no_longer_than_the_drain_timeout_or_until_cancelled(string kind)
    {
        foreach (var isCancelled in (bool[])[false, true])
        {
            var limits = new TransportLimits { DrainTimeout = isCancelled ? TimeSpan.FromHours(1) : TimeSpan.FromMilliseconds(100) };
            await using var rig = new TransportRig(kind, static (conversation, input) =>
            {
                conversation.Say(new byte[32_000_000]);
                return input.Length;
            }, limits);
            using var deaf = rig.Connect(receiveBufferBytes: 16 * 1024);
            deaf.Send("all"u8);
            deaf.ReadExactly(1);
            using var cancellation = new CancellationTokenSource(isCancelled ? TimeSpan.FromMilliseconds(50) : TransportRig.Patience);
            await rig.Transport.StopAsync(cancellation.Token).WaitAsync(TransportRig.Patience, TestContext.Current.CancellationToken);
            Assert.StartsWith("not drained within", await rig.Next().Reason(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Side_work_is_done_on_the_loops_thread_until_there_is_none_and_does_not_keep_it_awake()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "epoll is Linux'");
        var threads = new System.Collections.Concurrent.ConcurrentBag<int>();
        var left = 0;
        using var isDone = new SemaphoreSlim(0);
        var consumed = 0;
        await using var transport = Transports.Create(
            new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0),
            (waker, _) => new ScriptedConversation(waker, (conversation, input) =>
            {
                consumed = Environment.CurrentManagedThreadId;
                Volatile.Write(ref left, 100);
                return Scripts.Echo(conversation, input);
            }),
            new TransportLimits(),
            1,
            TimeProvider.System,
            NullLogger.Instance,
            sideWork: () =>
            {
                if (Volatile.Read(ref left) == 0)
                {
                    return false;
                }

                threads.Add(Environment.CurrentManagedThreadId);
                if (Interlocked.Decrement(ref left) == 0)
                {
                    isDone.Release();
                }

                return Volatile.Read(ref left) > 0;
            });
        transport.Start();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(transport.EndPoint);
        for (var round = 0; round < 3; round++)
        {
            client.AssertEchoes();
            Assert.True(await isDone.WaitAsync(TransportRig.Patience, TestContext.Current.CancellationToken));
        }

        Assert.Equal(consumed, Assert.Single(threads.Distinct()));
        Assert.InRange(threads.Count, 100, 300);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Start_on_a_taken_port_throws_and_stop_before_start_is_fine(string kind)
    {
        await using var rig = new TransportRig(kind, Scripts.Echo);
        await using var second = Transports.Create(
            rig.Transport.EndPoint, static (_, _) => null, new TransportLimits(), 1, TimeProvider.System, NullLogger.Instance, portable: kind == "sockets");
        var refusal = Assert.Throws<SocketException>(second.Start);
        Assert.Equal(SocketError.AddressAlreadyInUse, refusal.SocketErrorCode);
        using var client = rig.Connect();
        client.AssertEchoes();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_conversation_that_throws_loses_its_connection_only(string kind)
    {
        var made = 0;
        await using var rig = new TransportRig(kind, waker => Interlocked.Increment(ref made) switch
        {
            2 => throw new InvalidOperationException("in the factory"),
            3 => null,
            _ => new ScriptedConversation(waker, static (conversation, input) => input[0] switch
            {
                (byte)'!' => throw new InvalidOperationException("in Consume"),
                (byte)'<' => -1,
                (byte)'>' => input.Length + 1,
                _ => Scripts.Echo(conversation, input),
            })
            {
                OnContinue = static _ => throw new InvalidOperationException("in Continue"),
            },
        });
        using var other = rig.Connect();
        other.AssertEchoes();
        var spared = rig.Next();
        using (var unmade = rig.Connect())
        {
            Assert.True(unmade.IsClosedByServer());
        }

        using (var refused = rig.Connect())
        {
            Assert.True(refused.IsClosedByServer());
        }

        foreach (var fault in (string[])["!", "<", ">"])
        {
            using var client = rig.Connect();
            client.Send(System.Text.Encoding.ASCII.GetBytes(fault));
            Assert.True(client.IsClosedByServer());
            Assert.Equal("conversation failed", await rig.Next().Reason());
        }

        using (var client = rig.Connect())
        {
            var conversation = rig.Next();
            conversation.Waker.Wake();
            Assert.Equal("conversation failed", await conversation.Reason());
        }

        other.AssertEchoes();
        Assert.False(spared.ClosedReason.IsCompleted);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_connection_reset_in_the_middle_harms_nobody_else(string kind)
    {
        await using var rig = new TransportRig(kind, Scripts.EchoLines, loops: 2);
        using var other = rig.Connect();
        other.AssertEchoes();
        rig.Next();
        for (var i = 0; i < 50; i++)
        {
            var client = rig.Connect();
            client.Send(new byte[10_000]);
            client.Send("half a line\nand "u8);
            client.Reset();
            var reason = await rig.Next().Reason();
            Assert.True(reason is "reset by client" or "closed by client", reason);
        }

        other.AssertEchoes();
    }

    [Fact]
    public async Task Epoll_notices_the_reset_of_a_paused_connection()
    {
        await using var rig = new TransportRig("epoll", static (conversation, input) =>
        {
            conversation.Say("paused"u8);
            conversation.State = ConversationState.Paused;
            return input.Length;
        });
        var client = rig.Connect();
        client.Send("x"u8);
        client.ReadExactly(6);
        client.Reset();
        Assert.Equal("reset by client", await rig.Next().Reason());
    }
}
