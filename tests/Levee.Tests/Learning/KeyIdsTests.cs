using System.Text;
using Levee.Keys;
using Levee.Learning;
using Xunit;

namespace Levee.Tests.Learning;

public sealed class KeyIdsTests
{
    [Theory]
    [InlineData("7", 7u)]
    [InlineData("0", 0u)]
    [InlineData("user:42", 42u)]
    [InlineData("item-5", 5u)]
    [InlineData("münchen:5", 5u)]
    [InlineData("user:4294967295", uint.MaxValue)]
    [InlineData("page 0017", 17u)]
    [InlineData("00", 0u)]
    [InlineData("a1b2", 2u)]
    public void A_number_at_the_end_is_the_lower_half_of_the_id_and_the_id_turns_back_into_the_key(string text, uint number)
    {
        var ids = new KeyIds(1000);
        Assert.Equal(number, (uint)Establish(ids, text));
        Assert.Equal(text, Back(ids, Establish(ids, text)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("no number")]
    [InlineData("-5")]
    [InlineData("t:-5")]
    [InlineData("user:4294967296")]
    [InlineData("user:12345678901234567890")]
    [InlineData("00000000001")]
    [InlineData("٣٤٥")]
    [InlineData("5a")]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123x5")]
    public void Other_keys_keep_their_routing_hash(string text)
    {
        var ids = new KeyIds(1000);
        var key = Encoding.UTF8.GetBytes(text);
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(KeyHash.Of(key), ids.IdOf(key, KeyHash.Of(key), out var isNumber));
            Assert.False(isNumber);
        }

        Assert.Equal(KeyForm.Hash, ids.Format(KeyHash.Of(key), new byte[KeyList.MaxKeyBytes], out var length));
        Assert.Equal(0, length);
    }

    [Fact]
    public void Leading_zeros_make_another_sequence_which_ends_where_the_zeros_do()
    {
        var ids = new KeyIds(1000);
        var plain = Establish(ids, "p7");
        var padded = Establish(ids, "p007");
        Assert.Equal(3, new HashSet<ulong> { plain, padded, Establish(ids, "p07") }.Count);
        Assert.Equal("p099", Back(ids, padded + 92));
        Assert.Equal(KeyForm.None, ids.Format(padded + 93, new byte[KeyList.MaxKeyBytes], out _));
        Assert.Equal("p100", Back(ids, plain + 93));
        Assert.Equal(plain + 93, Establish(ids, "p100"));
    }

    [Fact]
    public void Random_keys_come_back_as_they_were_and_no_two_have_one_id()
    {
        var random = new Random(3);
        var ids = new KeyIds(1_000_000);
        string[] prefixes = ["", "a", "user:", "user", "0x", "ключ ", "u-", "p:0a"];
        var keyOf = new Dictionary<ulong, string>();
        for (var i = 0; i < 50_000; i++)
        {
            var digits = new string('0', random.Next(4) == 0 ? random.Next(4) : 0) + (uint)random.NextInt64(1L << random.Next(1, 33));
            var text = prefixes[random.Next(prefixes.Length)] + digits;
            var key = Encoding.UTF8.GetBytes(text);
            var id = ids.IdOf(key, KeyHash.Of(key), out var isNumber);
            Assert.True(keyOf.TryAdd(id, text) || keyOf[id] == text, $"{text} and {keyOf[id]} are both {id:x}");
            if (isNumber)
            {
                Assert.Equal(text, Back(ids, id));
            }
        }

        Assert.InRange(keyOf.Count, 20_000, 50_000);
    }

    [Fact]
    public void Keys_of_a_great_many_prefixes_keep_their_hashes_and_leave_frequent_prefixes_their_places()
    {
        var ids = new KeyIds(256);
        var held = ids.MemoryBytes;
        var (numbers, others) = (0, 0);
        for (var i = 0; i < 100_000; i++)
        {
            numbers += IsNumber(ids, $"frequent:{i}") ? 1 : 0;
            others += IsNumber(ids, $"order:{i}:line:2") ? 1 : 0;
        }

        Assert.InRange(numbers, 90_000, 100_000);
        Assert.InRange(others, 0, 100);
        Assert.Equal(held, ids.MemoryBytes);
        Assert.InRange(held, 1, 3000);
    }

    private static bool IsNumber(KeyIds ids, string text)
    {
        var key = Encoding.UTF8.GetBytes(text);
        _ = ids.IdOf(key, KeyHash.Of(key), out var isNumber);
        return isNumber;
    }

    /// <summary>The id from when the prefix is known.</summary>
    private static ulong Establish(KeyIds ids, string text)
    {
        var key = Encoding.UTF8.GetBytes(text);
        while (true)
        {
            var id = ids.IdOf(key, KeyHash.Of(key), out var isNumber);
            if (isNumber)
            {
                return id;
            }
        }
    }

    private static string Back(KeyIds ids, ulong id)
    {
        var key = new byte[KeyList.MaxKeyBytes];
        Assert.Equal(KeyForm.Number, ids.Format(id, key, out var length));
        return Encoding.UTF8.GetString(key, 0, length);
    }
}
