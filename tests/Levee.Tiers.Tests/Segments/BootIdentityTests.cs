using Levee.Tiers.Segments;
using Xunit;

namespace Levee.Tiers.Tests.Segments;

public sealed class BootIdentityTests
{
    [Fact]
    public void This_boot_is_the_same_as_itself() => Assert.True(BootIdentity.Current(TimeProvider.System).IsSameAs(BootIdentity.Current(TimeProvider.System)));

    [Fact]
    public void Named_boots_are_the_same_by_their_name_alone()
    {
        var id = Guid.NewGuid();
        Assert.True(BootIdentity.Named(id).IsSameAs(BootIdentity.Named(id)));
        Assert.False(BootIdentity.Named(id).IsSameAs(BootIdentity.Named(Guid.NewGuid())));
        Assert.False(BootIdentity.Named(id).IsSameAs(BootIdentity.At(0)));
    }

    [Fact]
    public void Boots_without_a_name_are_the_same_within_what_a_clock_is_set_by()
    {
        var boot = BootIdentity.At(1_700_000_000_000);
        Assert.True(boot.IsSameAs(BootIdentity.At(1_700_000_005_000)));
        Assert.True(boot.IsSameAs(BootIdentity.At(1_699_999_995_000)));
        Assert.False(boot.IsSameAs(BootIdentity.At(1_700_000_005_001)));
    }
}
