using Levee.Eviction;
using Xunit;

namespace Levee.Tests.Eviction;

/// <summary>The names of all policies, a case of a theory each.</summary>
public sealed class EveryPolicy() : TheoryData<string>(Policies.Names);
