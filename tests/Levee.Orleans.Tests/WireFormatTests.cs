using System.Reflection;
using Levee.Testing;
using Orleans;
using Xunit;

namespace Levee.Orleans.Tests;

/// <summary>Silos of two versions run side by side during an upgrade: names and numbers of what they say to each other are only ever added to.</summary>
public sealed class WireFormatTests
{
    private const string Stored = "tests/Levee.Orleans.Tests/WireFormat.txt";

    [Fact]
    public void AliasesAndIdsAreThoseThatAreStored()
    {
        var present = Describe().ToArray();
        var stored = Repository.Read(Stored).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(stored.Except(present).ToArray() is [], $"Gone or changed, which breaks a rolling upgrade: {string.Join("; ", stored.Except(present))}");
        Assert.True(present.Except(stored).ToArray() is [], $"New: add to {Stored}:\n{string.Join('\n', present.Except(stored))}");
    }

    [Fact]
    public void EverythingThatIsSentHasAnAlias()
    {
        foreach (var type in typeof(ILeveeSilo).Assembly.GetTypes().Where(type => type.GetCustomAttribute<GenerateSerializerAttribute>() is not null || IsCalled(type)))
        {
            Assert.True(type.GetCustomAttribute<AliasAttribute>() is not null, $"{type} has no alias");
            Assert.All(IsCalled(type) ? type.GetMethods() : [], method => Assert.True(method.IsStatic || method.GetCustomAttribute<AliasAttribute>() is not null, $"{type}.{method.Name} has no alias"));
        }
    }

    /// <summary>One line for each type, member and method.</summary>
    private static IEnumerable<string> Describe()
    {
        foreach (var type in typeof(ILeveeSilo).Assembly.GetTypes().Where(type => type.Namespace?.StartsWith("Levee", StringComparison.Ordinal) == true && type.GetCustomAttribute<AliasAttribute>() is not null).OrderBy(AliasOf, StringComparer.Ordinal))
        {
            if (IsCalled(type))
            {
                foreach (var method in type.GetMethods().Where(method => !method.IsStatic).OrderBy(AliasOf, StringComparer.Ordinal))
                {
                    yield return $"{AliasOf(type)} {AliasOf(method)}({string.Join(", ", method.GetParameters().Select(parameter => Name(parameter.ParameterType)))}) {Name(method.ReturnType)}";
                }
            }
            else
            {
                yield return AliasOf(type);
                foreach (var (id, member) in type.GetMembers(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
                    .Where(member => member.GetCustomAttribute<IdAttribute>() is not null)
                    .Select(member => (member.GetCustomAttribute<IdAttribute>()!.Id, member)).OrderBy(pair => pair.Id))
                {
                    yield return $"{AliasOf(type)} {id} {member.Name} {Name(member is PropertyInfo property ? property.PropertyType : ((FieldInfo)member).FieldType)}";
                }
            }
        }
    }

    private static bool IsCalled(Type type) => type.IsInterface && typeof(IAddressable).IsAssignableFrom(type);

    private static string AliasOf(MemberInfo member) => member.GetCustomAttribute<AliasAttribute>()?.Alias ?? "";

    private static string Name(Type type) => type.IsGenericType ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>" : type.Name;
}
