using Xunit;

namespace Levee.ClusterLoad.Tests;

public sealed class KeyHistoryTests
{
    private readonly KeyHistory history = new();

    [Fact]
    public void What_was_acknowledged_is_the_least_that_a_later_read_gives()
    {
        Write();
        Write();
        Assert.Equal(Verdict.Stale, Read(1));
        Assert.Equal(Verdict.Allowed, Read(2));
    }

    [Fact]
    public void A_read_that_began_before_the_acknowledgement_may_give_the_old_value()
    {
        Write();
        history.BeginWrite(false, 0);
        var early = history.BeginRead();
        history.Acknowledge(0);
        Assert.Equal(Verdict.Allowed, history.EndRead(1, early, 0));
        Assert.Equal(Verdict.Stale, Read(1));
    }

    [Fact]
    public void What_one_reader_has_read_no_later_read_falls_behind()
    {
        Write();
        history.BeginWrite(false, 0);
        Assert.Equal(Verdict.Allowed, Read(1));
        Assert.Equal(Verdict.Allowed, Read(2));
        Assert.Equal(Verdict.Stale, Read(1));
    }

    [Fact]
    public void After_a_delete_nothing_is_read_until_the_next_write()
    {
        Write();
        Write(isDelete: true);
        Assert.Equal(Verdict.Stale, Read(1));
        history.BeginRead();
        history.EndRead(isMiss: true, 0);
        history.BeginWrite(false, 0);
        Assert.Equal(Verdict.Allowed, Read(3));
    }

    [Fact]
    public void A_version_that_was_never_written_is_a_violation()
    {
        Write();
        Assert.Equal(Verdict.NeverWritten, Read(2));
        Assert.Equal(Verdict.NeverWritten, Read(0));
    }

    [Fact]
    public void An_unknown_outcome_allows_the_old_and_the_new_value_until_the_new_one_is_read()
    {
        Write();
        WriteUnknown();
        Assert.Equal(Verdict.Allowed, Read(1));
        Assert.Equal(Verdict.Allowed, Read(2));
        Assert.Equal(Verdict.Stale, Read(1));
    }

    [Fact]
    public void An_unknown_write_may_take_effect_once_after_a_later_one_and_overwrites_it()
    {
        Write();
        WriteUnknown();
        Write();
        Assert.Equal(Verdict.Allowed, Read(3));
        Assert.Equal(Verdict.Late, Read(2));
        Assert.Equal(Verdict.Stale, Read(3));
        Assert.Equal(Verdict.Late, Read(2));
        Write();
        Assert.Equal(Verdict.Stale, Read(2));
        Assert.Equal(Verdict.Allowed, Read(4));
    }

    [Fact]
    public void An_unknown_write_that_was_read_while_it_was_under_way_is_unknown_no_more()
    {
        Write();
        history.BeginWrite(false, 0);
        Assert.Equal(Verdict.Allowed, Read(2));
        history.Doubt(0);
        Write();
        Assert.Equal(Verdict.Stale, Read(2));
    }

    [Fact]
    public void The_history_tells_what_happened_last()
    {
        Write();
        WriteUnknown();
        Read(2);
        Assert.Equal(["WriteBegan 1", "Acknowledged 1", "WriteBegan 2", "Unknown 2", "Read 2"], history.Describe().Select(line => line.Split("ms  ")[1]));
    }

    [Fact]
    public void A_second_write_beside_the_first_is_refused()
    {
        history.BeginWrite(false, 0);
        Assert.Throws<InvalidOperationException>(() => history.BeginWrite(false, 0));
    }

    private void Write(bool isDelete = false)
    {
        history.BeginWrite(isDelete, 0);
        history.Acknowledge(0);
    }

    private void WriteUnknown()
    {
        history.BeginWrite(false, 0);
        history.Doubt(0);
    }

    private Verdict Read(int version) => history.EndRead(version, history.BeginRead(), 0);
}
