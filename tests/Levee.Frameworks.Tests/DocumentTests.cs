using Levee.Testing;
using Xunit;

namespace Levee.Frameworks.Tests;

/// <summary>The table of frameworks has a row for each test, and a test for each row.</summary>
public sealed class DocumentTests
{
    [Fact]
    public void Every_row_has_a_test_and_every_test_a_row()
    {
        var documented = Repository.TableRows("docs/commands.md", "Framework").Select(row => row[^1].Trim('`'));
        var tests = from type in typeof(DocumentTests).Assembly.GetTypes()
                    where type != typeof(DocumentTests)
                    from method in type.GetMethods()
                    where method.IsDefined(typeof(FactAttribute), inherit: false)
                    select $"{type.Name}.{method.Name}";
        Assert.Equal(tests.Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));
    }
}
