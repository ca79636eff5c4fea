using System.Text;
using Levee.Server.Resp;
using Xunit;

namespace Levee.Server.Tests.Resp;

public sealed class GlobPatternTests
{
    [Theory]
    [InlineData("", "", true)]
    [InlineData("", "a", false)]
    [InlineData("*", "", true)]
    [InlineData("**", "abc", true)]
    [InlineData("a", "a", true)]
    [InlineData("a", "ab", false)]
    [InlineData("a?c", "abc", true)]
    [InlineData("a?c", "ac", false)]
    [InlineData("a*", "abc", true)]
    [InlineData("*c", "abc", true)]
    [InlineData("a*c", "ac", true)]
    [InlineData("a*a", "a", false)]
    [InlineData("*ab*ab*", "abab", true)]
    [InlineData("*ab*ab*", "abb", false)]
    [InlineData("*aab", "aaab", true)]
    [InlineData("[a-c]x", "bx", true)]
    [InlineData("[c-a]x", "bx", true)]
    [InlineData("[^a-c]x", "bx", false)]
    [InlineData("[^a-c]x", "dx", true)]
    [InlineData("[\\]a]", "]", true)]
    [InlineData("[ab", "b", true)]
    [InlineData("[a-]", "-", false)]
    [InlineData("[a-]", "_", true)]
    [InlineData("[]", "a", false)]
    [InlineData("[^]", "a", true)]
    [InlineData("\\*", "*", true)]
    [InlineData("\\*", "a", false)]
    [InlineData("a\\", "a\\", true)]
    [InlineData("user:*:name", "user:12:name", true)]
    public void Patterns_match_as_in_redis(string pattern, string text, bool matches)
    {
        Assert.Equal(matches, Create(pattern).Matches(Encoding.UTF8.GetBytes(text)));
        Assert.Equal(matches, Literal(Encoding.UTF8.GetBytes(pattern), Encoding.UTF8.GetBytes(text)));
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(2, 90)]
    [InlineData(3, 300)]
    public void Random_patterns_match_as_a_literal_reader_says(int seed, int longest)
    {
        var random = new Random(seed);
        var matched = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var text = Letters(random, "ab", longest);
            var pattern = text.ToList();
            for (var changes = random.Next(6); changes >= 0; changes--)
            {
                var at = random.Next(pattern.Count + 1);
                pattern.RemoveRange(at, Math.Min(pattern.Count - at, random.Next(4)));
                pattern.InsertRange(at, Encoding.ASCII.GetBytes(new[] { "*", "?", "[ab]", "[^a]", "\\a", "a", "b", "*" }[random.Next(8)]));
            }

            var expected = Literal([.. pattern], text);
            matched += expected ? 1 : 0;
            Assert.True(GlobPattern.TryCreate([.. pattern], out var glob));
            Assert.True(expected == glob.Matches(text), $"{Encoding.ASCII.GetString([.. pattern])} and {Encoding.ASCII.GetString(text)}: {expected}");
        }

        Assert.InRange(matched, 2000, 18_000);
    }

    [Fact]
    public void A_pattern_is_bounded_and_so_is_what_it_takes()
    {
        Assert.True(GlobPattern.TryCreate(new byte[GlobPattern.MaxBytes], out var glob));
        Assert.InRange(glob.SizeBytes, 1, 40_000);
        Assert.False(GlobPattern.TryCreate(new byte[GlobPattern.MaxBytes + 1], out _));
    }

    private static GlobPattern Create(string pattern) => GlobPattern.TryCreate(Encoding.UTF8.GetBytes(pattern), out var glob) ? glob : throw new ArgumentException(pattern);

    private static byte[] Letters(Random random, string letters, int longest)
    {
        var text = new byte[random.Next(longest)];
        for (var i = 0; i < text.Length; i++)
        {
            text[i] = (byte)letters[random.Next(letters.Length)];
        }

        return text;
    }

    /// <summary>The table of what a pattern's rest and a text's rest say of each other, filled from the end.</summary>
    private static bool Literal(byte[] pattern, byte[] text)
    {
        var tokens = new List<Func<byte, bool>?>();
        for (var at = 0; at < pattern.Length;)
        {
            switch ((char)pattern[at])
            {
                case '*':
                    tokens.Add(null);
                    at++;
                    break;
                case '?':
                    tokens.Add(static _ => true);
                    at++;
                    break;
                case '[':
                    tokens.Add(Set(pattern, ref at));
                    break;
                case '\\' when at + 1 < pattern.Length:
                    var escaped = pattern[at + 1];
                    tokens.Add(value => value == escaped);
                    at += 2;
                    break;
                default:
                    var literal = pattern[at++];
                    tokens.Add(value => value == literal);
                    break;
            }
        }

        var next = new bool[text.Length + 1];
        next[^1] = true;
        for (var token = tokens.Count - 1; token >= 0; token--)
        {
            var now = new bool[text.Length + 1];
            for (var at = text.Length; at >= 0; at--)
            {
                now[at] = tokens[token] is { } fits ? at < text.Length && fits(text[at]) && next[at + 1] : next[at] || (at < text.Length && now[at + 1]);
            }

            next = now;
        }

        return next[0];
    }

    private static Func<byte, bool> Set(byte[] pattern, ref int at)
    {
        at++;
        var isNegated = at < pattern.Length && pattern[at] == '^';
        at += isNegated ? 1 : 0;
        var members = new HashSet<byte>();
        for (; at < pattern.Length && pattern[at] != ']'; at++)
        {
            if (pattern[at] == '\\' && at + 1 < pattern.Length)
            {
                members.Add(pattern[++at]);
            }
            else if (at + 2 < pattern.Length && pattern[at + 1] == '-')
            {
                for (int value = Math.Min(pattern[at], pattern[at + 2]); value <= Math.Max(pattern[at], pattern[at + 2]); value++)
                {
                    members.Add((byte)value);
                }

                at += 2;
            }
            else
            {
                members.Add(pattern[at]);
            }
        }

        at = Math.Min(at + 1, pattern.Length);
        return value => members.Contains(value) != isNegated;
    }
}
