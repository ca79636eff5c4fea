using Xunit;

namespace Levee.ClusterLoad.Tests;

/// <summary>
/// The checker beside a slow judge that looks for an order of all operations in which every read gives what the register holds (linearizability of a register that may forget; a write of unknown
/// outcome has no end). The checker never blames a history that has such an order, and where all outcomes are known it blames every one that has none.
/// </summary>
public sealed class RegisterModelTests
{
    private const long Never = long.MaxValue;

    [Theory]
    [InlineData(0, 1.0)]
    [InlineData(40, 0.6)]
    public void The_checker_blames_what_has_no_order_and_nothing_else(int unknownPercent, double leastFound)
    {
        var impossible = 0;
        var found = 0;
        var possible = 0;
        for (var seed = 0; seed < 20_000; seed++)
        {
            var (operations, isBlamed) = Run(new Random(seed), unknownPercent);
            if (HasOrder(operations))
            {
                possible++;
                Assert.False(isBlamed, $"seed {seed}: {string.Join("; ", operations)}");
            }
            else
            {
                impossible++;
                found += isBlamed ? 1 : 0;
            }
        }

        Assert.True(possible > 2000 && impossible > 2000, $"{possible} possible, {impossible} impossible");
        Assert.True(found >= leastFound * impossible, $"{found} of {impossible} found");
    }

    /// <summary>One writer and two readers act in a random order; reads give any version that was begun.</summary>
    private static (List<Operation> Operations, bool IsBlamed) Run(Random random, int unknownPercent)
    {
        var history = new KeyHistory();
        var operations = new List<Operation>();
        var isBlamed = false;
        Operation? write = null;
        var reads = new (Operation Operation, long Known)?[2];
        for (var now = 0L; now < 16; now++)
        {
            var actor = random.Next(3);
            if (actor == 2)
            {
                if (write is null)
                {
                    var isDelete = random.Next(5) == 0;
                    write = new Operation(IsRead: false, history.BeginWrite(isDelete, now), now, Never, isDelete);
                    continue;
                }

                var isUnknown = random.Next(100) < unknownPercent;
                operations.Add(write with { End = isUnknown ? Never : now });
                write = null;
                if (isUnknown)
                {
                    history.Doubt(now);
                }
                else
                {
                    history.Acknowledge(now);
                }
            }
            else if (reads[actor] is not { } read)
            {
                reads[actor] = (new Operation(IsRead: true, 0, now, Never, false), history.BeginRead());
            }
            else
            {
                var begun = operations.Where(operation => operation is { IsRead: false, IsDelete: false }).Concat(write is { IsDelete: false } ? [write] : []).Select(operation => operation.Version).ToArray();
                reads[actor] = null;
                if (begun.Length == 0)
                {
                    history.EndRead(isMiss: true, now);
                    continue;
                }

                // The newest is drawn most, so that histories with an order are not rare.
                var version = begun[Math.Max(random.Next(begun.Length), random.Next(begun.Length))];
                operations.Add(read.Operation with { Version = version, End = now });
                isBlamed |= history.EndRead(version, read.Known, now) is Verdict.Stale or Verdict.NeverWritten;
            }
        }

        if (write is not null)
        {
            operations.Add(write);
        }

        return (operations, isBlamed);
    }

    private static bool HasOrder(List<Operation> operations) => HasOrder(operations, (1 << operations.Count) - 1, 0, []);

    private static bool HasOrder(List<Operation> operations, int left, int held, HashSet<(int, int)> tried)
    {
        if (!Enumerable.Range(0, operations.Count).Any(i => (left >> i & 1) == 1 && operations[i].End != Never))
        {
            return true;
        }

        if (!tried.Add((left, held)))
        {
            return false;
        }

        var firstEnd = Enumerable.Range(0, operations.Count).Where(i => (left >> i & 1) == 1).Min(i => operations[i].End);
        for (var i = 0; i < operations.Count; i++)
        {
            var operation = operations[i];
            var mayBeNext = (left >> i & 1) == 1 && operation.Start <= firstEnd && (!operation.IsRead || operation.Version == held);
            if (mayBeNext && HasOrder(operations, left & ~(1 << i), operation.IsRead ? held : operation.IsDelete ? 0 : operation.Version, tried))
            {
                return true;
            }
        }

        return false;
    }

    private sealed record Operation(bool IsRead, int Version, long Start, long End, bool IsDelete);
}
