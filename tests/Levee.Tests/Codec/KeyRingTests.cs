using Levee.Codec;
using Xunit;

namespace Levee.Tests.Codec;

public sealed class KeyRingTests
{
    private static readonly string Material = Convert.ToBase64String(Enumerable.Repeat((byte)7, 32).ToArray());
    private static readonly string Other = Convert.ToBase64String(Enumerable.Repeat((byte)8, 32).ToArray());

    [Fact]
    public void The_first_key_is_active_and_all_are_found()
    {
        var ring = KeyRing.Parse($"# made in November\n\n 2026-11 {Material}\r\n2026-10\t{Other}  \n");
        Assert.Equal(["2026-11", "2026-10"], ring.Keys.Select(key => key.Name));
        Assert.Same(ring.Keys[0], ring.Active);
        Assert.Same(ring.Keys[1], ring.Find(ring.Keys[1].Id));
        Assert.Null(ring.Find(1));
        Assert.Equal("2026-11", ring.Active.ToString());
    }

    [Fact]
    public void Semicolons_end_lines_as_an_environment_variable_needs() => Assert.Equal(2, KeyRing.Parse($"a {Material};b {Other}").Keys.Count);

    [Fact]
    public void The_id_of_a_name_is_pinned_because_records_carry_it() => Assert.Equal(0x894dcd02d61be005UL, KeyRing.Parse($"2026-11 {Material}").Active.Id);

    [Theory]
    [InlineData("", "There is no key")]
    [InlineData("# none", "There is no key")]
    [InlineData("a !M", "Line 1: the key is not 32 bytes")]
    [InlineData("\nb short", "Line 2: the key is not 32 bytes")]
    [InlineData("b !Mx", "Line 1: the key is not 32 bytes")]
    [InlineData("!M", "Line 1: there is no blank")]
    [InlineData("!M a", "Line 1: the name is not allowed")]
    [InlineData("bäd !M", "Line 1: the name is not allowed")]
    [InlineData("a @M\na @M", "Line 2: a key of this name")]
    public void Refusals_name_the_line_and_never_the_key(string pattern, string expected)
    {
        var secret = pattern.Contains('!', StringComparison.Ordinal) && pattern.EndsWith("!M", StringComparison.Ordinal) && pattern.StartsWith('a') ? Material[..20] : Material;
        var refusal = Assert.Throws<FormatException>(() => KeyRing.Parse(pattern.Replace("!M", secret, StringComparison.Ordinal).Replace("@M", Material, StringComparison.Ordinal)));
        Assert.StartsWith(expected, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Material[..8], refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("short", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_and_rings_refuse_what_they_cannot_hold()
    {
        Assert.Throws<ArgumentException>(() => new KeyRing());
        Assert.Throws<ArgumentException>(() => new KeyRing(CodecSamples.Key("a", 1), CodecSamples.Key("a", 2)));
        Assert.Throws<ArgumentException>(() => new EncryptionKey("a", new byte[31]));
        Assert.Throws<ArgumentException>(() => new EncryptionKey("a b", new byte[32]));
        Assert.Throws<ArgumentException>(() => new EncryptionKey(new string('a', 65), new byte[32]));
    }
}
