using System.Text;
using Levee.Eviction;
using Levee.Memory;
using Levee.Operations;
using Levee.Partitions;
using Levee.Testing;

namespace Levee.Tests.Moves;

/// <summary>What a partition's policy and entries look like, to be compared; and a pull without a host.</summary>
internal static class MovedState
{
    /// <summary>The lists from the most recent end, each node with all that is known of it, and the target.</summary>
    public static List<string> Of(Partition partition)
    {
        var store = partition.Store;
        var lines = new List<string> { $"p {store.Policy.ExactTarget:R} of {store.Policy.Capacity}" };
        foreach (var list in store.Policy.NodeLists)
        {
            for (var node = list.MostRecent; node != NodeTable.None; node = store.Nodes[node].Prev)
            {
                lines.Add(list.IsGhost ? $"{list.Home} ghost {store.Nodes[node].Tag} {store.Nodes[node].Weight}" : $"{list.Home} {store.Nodes[node].Weight} {Text(CopiedEntry.Of(store.View(node))!)}");
            }
        }

        return lines;
    }

    public static string Text(CopiedEntry entry) =>
        $"{entry.Key} v{entry.Version} x{entry.ExpiresAt} s{entry.SlidingMs} f{entry.Flags} {entry.Kind} {entry.ContentType} {Convert.ToHexString(Encoding.Latin1.GetBytes(entry.Tags))} {entry.Value.Length}:{Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(entry.Value))}";

    /// <summary>Imports all that an export gives.</summary>
    /// <returns>Entries, by what became of them.</returns>
    public static Dictionary<ImportOutcome, int> Pull(Partition from, Partition into, LargeValueStore larges, long now)
    {
        var export = new PartitionExport(from);
        var outcomes = Enum.GetValues<ImportOutcome>().ToDictionary(static outcome => outcome, static _ => 0);
        byte[]? head = null;
        var headOffset = 0;
        LargeValue? large = null;
        for (var position = 0L; position >= 0;)
        {
            var bytes = export.ReadChunk(position);
            var chunk = MoveChunk.Read(bytes);
            for (int i = 0, offset = 0; i < chunk.Count; i++)
            {
                var start = offset;
                var item = chunk.Item(ref offset);
                switch (item.Kind)
                {
                    case MoveItemKind.Entry:
                        outcomes[into.Import(item, now)]++;
                        break;
                    case MoveItemKind.Ghost:
                        into.ImportGhost(item.Tag, item.Home, item.Weight);
                        break;
                    case MoveItemKind.Large:
                        (head, headOffset, large) = (bytes, start, larges.TryCreate(item.ValueLength));
                        large!.Append(item.Piece);
                        break;
                    case MoveItemKind.Piece:
                        large!.Append(item.Piece);
                        break;
                }

                if (large is not null && large.FilledBytes == large.Length)
                {
                    var at = headOffset;
                    var begun = MoveChunk.ReadUnchecked(head).Item(ref at);
                    var outcome = into.Import(new MoveItem { Kind = begun.Kind, Home = begun.Home, Entry = begun.Entry.WithLarge(large) }, now);
                    outcomes[outcome]++;
                    if (outcome != ImportOutcome.Stored)
                    {
                        large.Release();
                    }

                    large = null;
                }
            }

            position = chunk.Next;
        }

        into.EndArrival(ArrivalEnd.Complete);
        return outcomes;
    }
}
