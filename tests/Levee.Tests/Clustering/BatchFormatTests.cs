using System.Text;
using Levee.Clustering;
using Levee.Keys;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;
using Xunit;

namespace Levee.Tests.Clustering;

public sealed class BatchFormatTests
{
    [Fact]
    public void A_request_comes_back_as_it_was()
    {
        var random = new Random(20261121);
        for (var round = 0; round < 400; round++)
        {
            var seed = random.Next();
            var writer = new OperationBatchWriter();
            writer.Begin(seed);
            var voided = seed % 5;
            for (var v = 0; v < voided; v++)
            {
                writer.Void(v + 1);
            }

            var chance = new Random(seed);
            var written = 0;
            while (written < 30 && writer.TryAdd(written, Operations.Any(chance)))
            {
                written++;
            }

            var request = writer.ToArray();
            Assert.InRange(request.Length, 1, BatchLimits.MaxBytes);
            var reader = new OperationBatchReader(request);
            Assert.Equal(seed, reader.Batch);
            Assert.Equal(written, reader.Count);
            Assert.Equal(Enumerable.Range(1, voided).Select(v => (long)v), reader.Voided.ToArray());
            var starts = new int[written + 1];
            reader.Locate(starts);
            chance = new Random(seed);
            for (var i = 0; i < written; i++)
            {
                var expected = Operations.Any(chance);
                var read = default(Operation);
                PackedOperation.Read(request.AsSpan(starts[i]..starts[i + 1]), ref read, out _);
                Assert.Equal(Operations.Text(expected), Operations.Text(read));
                Assert.Equal(i, PackedOperation.Lane(request.AsSpan(starts[i])));
            }
        }
    }

    [Fact]
    public void Answers_come_back_as_they_were()
    {
        var random = new Random(7);
        for (var round = 0; round < 400; round++)
        {
            var seed = random.Next();
            var chance = new Random(seed);
            var operation = Operations.Packed(TestBed.On($"key{seed % 100}", OperationKind.Get));
            using var writer = new AnswerBatchWriter(5);
            var expected = new List<CopiedAnswer>();
            var sink = new CopyingSink();
            for (var i = 0; i < 20; i++)
            {
                var form = new EntryForm(WithKey: chance.Next(2) == 0, false, false, 0);
                var entry = chance.Next(3) == 0 ? default : Entries.Any(chance, form.WithKey ? $"other{i}" : $"key{seed % 100}");
                var number = chance.Next(2) == 0 ? 0 : chance.NextInt64(long.MinValue, long.MaxValue);
                var outcome = (Outcome)chance.Next(1, (int)PackedAnswer.LastOutcome + 1);
                var answer = entry.IsEmpty ? new Answer(outcome, number) : new Answer(outcome, entry, number);
                sink.Answers.Clear();
                sink.Answer(i, answer);
                if (!writer.TryAdd(i, answer, form))
                {
                    break;
                }

                expected.Add(sink.Last);
            }

            writer.TryAddNotHere(400);
            var reply = writer.ToArray("silo1"u8, ReplyFlags.None, 401, 3);
            Assert.InRange(reply.Length, 1, BatchLimits.MaxBytes);
            var reader = new AnswerBatchReader(reply);
            Assert.Equal(("silo1", 401, 3), (reader.Owner, reader.Executed, reader.Pending));
            sink.Answers.Clear();
            byte[] scratch = [];
            while (reader.TryRead(out var answer) && !answer.IsNotHere)
            {
                sink.Answer(answer.Index, new Answer(answer.Outcome, answer.View(operation, null, ref scratch), answer.Number));
            }

            Assert.Equivalent(expected, sink.Answers, strict: true);
            Assert.False(reader.TryRead(out _));
        }
    }

    [Fact]
    public void Counters_and_explanations_come_back_as_they_were()
    {
        var statistics = new PartitionStatistics
        {
            Entries = 1, EntriesBelow = 2, Hits = 3, Misses = 4, Policy = "arc", TargetBytes = 5, Tier = SampleTiers.Files,
            Lists = [new ListStatistics("T1", 6, 7, false), new ListStatistics("B1", 8, 9, true)],
        };
        var explanation = new EntryExplanation { IsResident = true, Partition = 3, List = "T2", Version = ulong.MaxValue, ExpiresAt = Limits.Never, Places = [new TierPlace("a", "b", 1, 2, true)] };
        using var writer = new AnswerBatchWriter(0);
        Assert.True(writer.TryAdd(0, new Answer(statistics), default));
        Assert.True(writer.TryAdd(1, new Answer(explanation), default));
        var reader = new AnswerBatchReader(writer.ToArray([], ReplyFlags.None, 2, 0));
        Assert.True(reader.TryRead(out var first));
        Assert.Equivalent(statistics, AnswerJson.Read(first.Json, AnswerJson.Default.PartitionStatistics), strict: true);
        Assert.True(reader.TryRead(out var second));
        Assert.Equivalent(explanation, AnswerJson.Read(second.Json, AnswerJson.Default.EntryExplanation), strict: true);
    }

    [Fact]
    public void A_stored_request_of_version_1_is_read()
    {
        var request = Convert.FromHexString(Samples.Request);
        var reader = new OperationBatchReader(request);
        Assert.Equal((0x0102030405060708, 2, 9), (reader.Batch, reader.Count, reader.Voided[0]));
        var starts = new int[3];
        reader.Locate(starts);
        var operation = default(Operation);
        PackedOperation.Read(request.AsSpan(starts[0]..starts[1]), ref operation, out _);
        Assert.Equal(Operations.Text(TestBed.On("key", OperationKind.Get)), Operations.Text(operation));
        PackedOperation.Read(request.AsSpan(starts[1]..starts[2]), ref operation, out _);
        Assert.Equal(Operations.Text(Samples.FullSet()), Operations.Text(operation));
        Assert.Equal(Samples.Request, Convert.ToHexString(Samples.WriteRequest()));
    }

    [Fact]
    public void A_stored_reply_of_version_1_is_read()
    {
        var reader = new AnswerBatchReader(Convert.FromHexString(Samples.Reply));
        Assert.Equal(("silo1", 4, 1), (reader.Owner, reader.Executed, reader.Pending));
        var sink = new CopyingSink();
        byte[] scratch = [];
        var operation = Operations.Packed(TestBed.On("key", OperationKind.Get));
        while (reader.TryRead(out var answer) && !answer.IsNotHere)
        {
            sink.Answer(answer.Index, new Answer(answer.Outcome, answer.View(operation, null, ref scratch), answer.Number));
        }

        var full = new CopiedEntry("other", "value"u8.ToArray(), 0x1122334455667788, 1_700_000_000_000, 60_000, 7, EntryKind.Hash, "text", "\u0003red", 0);
        Assert.Equal(3, sink.Answers.Count);
        Assert.Equivalent(new { Outcome = Outcome.Hit, Number = 0L, Entry = new { Key = "key", Value = "value"u8.ToArray(), Version = 5UL, ExpiresAt = Limits.Never } }, sink.Answers[0]);
        Assert.Equal((Outcome.Stored, -2L), (sink.Answers[1].Outcome, sink.Answers[1].Number));
        Assert.Equivalent(full, sink.Answers[2].Entry! with { SizeBytes = 0 }, strict: true);
        Assert.Equal(Samples.Reply, Convert.ToHexString(Samples.WriteReply()));
    }

    [Fact]
    public void A_damaged_request_is_refused_or_read_never_more()
    {
        var random = new Random(3);
        var refused = 0;
        var whole = Operations.Request(random);
        for (var round = 0; round < 20_000; round++)
        {
            whole = round % 20 == 0 ? Operations.Request(random) : whole;
            var request = Damage.Of(random, whole);
            try
            {
                var reader = new OperationBatchReader(request);
                var starts = new int[reader.Count + 1];
                reader.Locate(starts);
                for (var i = 0; i < reader.Count; i++)
                {
                    var operation = default(Operation);
                    PackedOperation.Read(request.AsSpan(starts[i]..starts[i + 1]), ref operation, out _);
                    Assert.True(TagList.Count(operation.Tags) >= 0);
                }
            }
            catch (FormatException said)
            {
                refused++;
                Assert.NotEmpty(said.Message);
            }
        }

        Assert.InRange(refused, 5_000, 19_999);
    }

    [Fact]
    public void A_damaged_reply_is_refused_or_read_never_more()
    {
        var random = new Random(4);
        var operation = Operations.Packed(TestBed.On("key", OperationKind.Get));
        var refused = 0;
        byte[] scratch = [];
        var whole = Entries.Reply(random);
        for (var round = 0; round < 20_000; round++)
        {
            whole = round % 20 == 0 ? Entries.Reply(random) : whole;
            var reply = Damage.Of(random, whole);
            try
            {
                var reader = new AnswerBatchReader(reply);
                while (reader.TryRead(out var answer))
                {
                    var view = answer.View(operation, null, ref scratch);
                    if (!view.IsEmpty)
                    {
                        Assert.True(view.Value.Length + view.Key.Length + view.ContentType.Length + TagList.Count(view.Tags) >= 0);
                    }
                }
            }
            catch (FormatException said)
            {
                refused++;
                Assert.NotEmpty(said.Message);
            }
        }

        Assert.InRange(refused, 5_000, 19_999);
    }

    [Fact]
    public void Another_version_is_named_in_the_refusal()
    {
        var request = Samples.WriteRequest();
        request[0] = 2;
        Assert.Contains("version 2", Assert.Throws<FormatException>(() => { _ = new OperationBatchReader(request); }).Message, StringComparison.Ordinal);
        var reply = Samples.WriteReply();
        reply[0] = 3;
        Assert.Contains("version 3", Assert.Throws<FormatException>(() => { _ = new AnswerBatchReader(reply); }).Message, StringComparison.Ordinal);
    }
}
