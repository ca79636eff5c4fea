namespace Levee.Crash.Tests;

/// <summary>Does to a files tier's folders what disks and people do: cuts files short, turns bits, deletes, puts an old copy of the state back.</summary>
internal sealed class Damage(int seed)
{
    private const string StateName = "state";

    private readonly Random chance = new(seed);
    private readonly SortedDictionary<string, int> done = [];
    private readonly Queue<byte[]> oldStates = new();

    public void Do(string folder)
    {
        var state = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).FirstOrDefault(path => Path.GetFileName(path).StartsWith(StateName, StringComparison.Ordinal));
        string[] segments = [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(path => path != state && new FileInfo(path).Length > 64)];
        if (state is null || segments.Length == 0)
        {
            return;
        }

        var segment = segments[chance.Next(segments.Length)];
        switch (chance.Next(10))
        {
            case 0:
                Note("state deleted");
                File.Delete(state);
                break;
            case 1:
                Note("state cut");
                Cut(state);
                break;
            case 2 when oldStates.Count > 0:
                Note("old state put back");
                File.WriteAllBytes(state, oldStates.Peek());
                break;
            case 3:
                Note("bits of the state turned");
                Turn(state);
                break;
            case 4:
                Note("segment deleted");
                File.Delete(segment);
                break;
            case 5:
                Note("segment cut");
                Cut(segment);
                break;
            case 6 or 7:
                Note("bits of a segment turned");
                Turn(segment);
                break;
            default:
                Note("nothing");
                break;
        }

        if (File.Exists(state))
        {
            oldStates.Enqueue(File.ReadAllBytes(state));
        }

        if (oldStates.Count > 3)
        {
            oldStates.Dequeue();
        }
    }

    public override string ToString() => string.Join(", ", done.Select(kind => $"{kind.Key} {kind.Value}"));

    private void Note(string kind) => done[kind] = done.GetValueOrDefault(kind) + 1;

    private void Cut(string path)
    {
        using var file = File.OpenWrite(path);
        file.SetLength(chance.NextInt64(file.Length));
    }

    private void Turn(string path)
    {
        using var file = File.Open(path, FileMode.Open, FileAccess.ReadWrite);
        for (var i = chance.Next(1, 9); i > 0; i--)
        {
            file.Position = chance.NextInt64(file.Length);
            var turned = (byte)(file.ReadByte() ^ (1 << chance.Next(8)));
            file.Position--;
            file.WriteByte(turned);
        }
    }
}
