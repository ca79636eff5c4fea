using System.Runtime.Versioning;
using System.Text;
using Levee.Serving.Records;
using Xunit;

namespace Levee.Serving.Tests.Records;

[UnsupportedOSPlatform("windows")] // As far as modes are asked for: those tests skip there.
public sealed class RecordStoreTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("levee-records-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Only_whoever_knows_the_present_record_may_change_it()
    {
        var store = Open();
        var first = store.TryWrite("owner/a", Bytes("1"), null);
        Assert.NotNull(first);
        Assert.Null(store.TryWrite("owner/a", Bytes("2"), null));
        Assert.Null(store.TryWrite("owner/a", Bytes("2"), "another"));
        var second = store.TryWrite("owner/a", Bytes("2"), first);
        Assert.NotEqual(first, second);
        Assert.False(store.TryRemove("owner/a", first));
        Assert.Equal("2", Text(store, "owner/a"));
        Assert.True(store.TryRemove("owner/a", second));
        Assert.Null(store.Read("owner/a"));
        Assert.False(store.TryRemove("owner/a", second));
    }

    [Fact]
    public void What_was_written_is_there_when_the_folder_is_opened_again()
    {
        var store = Open();
        var tag = store.TryWrite("owner/default/3", Bytes("x"), null);
        store.TryWrite("removed", Bytes("y"), null);
        store.TryRemove("removed", store.Read("removed")!.Value.ETag);
        store.TryWrite("ключ", [], null);

        var again = Open();
        Assert.Equal(["owner/default/3", "ключ"], again.Names.Order(StringComparer.Ordinal));
        Assert.Equal(tag, again.Read("owner/default/3")!.Value.ETag);
        Assert.NotNull(again.TryWrite("owner/default/3", Bytes("z"), tag));
        Assert.Equal(0, again.Damaged);
    }

    [Fact]
    public void A_damaged_or_half_written_file_counts_as_no_record()
    {
        Open().TryWrite("a", Bytes("value"), null);
        var file = Assert.Single(Directory.GetFiles(folder));
        var whole = File.ReadAllBytes(file);
        for (var i = 0; i < whole.Length; i++)
        {
            var damaged = (byte[])whole.Clone();
            damaged[i] ^= 0x40;
            File.WriteAllBytes(file, damaged);
            AssertLost();
            File.WriteAllBytes(file, whole[..i]);
            AssertLost();
        }

        File.WriteAllBytes(file, whole);
        File.WriteAllBytes(file + ".next", whole[..5]);
        Assert.Equal("value", Text(Open(), "a"));

        void AssertLost()
        {
            var store = Open();
            Assert.Null(store.Read("a"));
            Assert.Equal(1, store.Damaged);
        }
    }

    [Fact]
    public void Records_are_the_owners_alone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes");
        var store = new RecordStore();
        store.Open(Path.Combine(folder, "new"));
        store.TryWrite("a", [], null);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.Combine(folder, "new")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Directory.GetFiles(Path.Combine(folder, "new")).Single()));
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_told_by_the_name_of_its_option()
    {
        var file = Path.Combine(folder, "file");
        File.WriteAllText(file, "");
        Assert.Contains("--data-dir", Assert.Throws<StartException>(() => new RecordStore().Open(Path.Combine(file, "records"))).Message, StringComparison.Ordinal);
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string Text(RecordStore store, string name) => Encoding.UTF8.GetString(store.Read(name)!.Value.Data);

    private RecordStore Open()
    {
        var store = new RecordStore();
        store.Open(folder);
        return store;
    }
}
