using Orleans;
using Orleans.Runtime;

namespace Levee.Orleans.Tests;

/// <summary>A silo's way to the membership table that can be cut off: what is asked meanwhile is answered afterwards, as for a process that was frozen.</summary>
internal sealed class IsolatedMembership(IMembershipTable table) : IMembershipTable
{
    private volatile TaskCompletionSource? cut;

    /// <summary>The table itself.</summary>
    public IMembershipTable Table => table;

    /// <summary>From now on nothing is answered.</summary>
    public void Cut() => cut = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Answers all that was asked, and what comes.</summary>
    public void Restore()
    {
        cut?.TrySetResult();
        cut = null;
    }

    public async Task InitializeMembershipTable(bool tryInitTableVersion)
    {
        await ReachAsync();
        await table.InitializeMembershipTable(tryInitTableVersion);
    }

    public async Task DeleteMembershipTableEntries(string clusterId)
    {
        await ReachAsync();
        await table.DeleteMembershipTableEntries(clusterId);
    }

    public async Task CleanupDefunctSiloEntries(DateTimeOffset beforeDate)
    {
        await ReachAsync();
        await table.CleanupDefunctSiloEntries(beforeDate);
    }

    public async Task<MembershipTableData> ReadRow(SiloAddress key)
    {
        await ReachAsync();
        return await table.ReadRow(key);
    }

    public async Task<MembershipTableData> ReadAll()
    {
        await ReachAsync();
        return await table.ReadAll();
    }

    public async Task<bool> InsertRow(MembershipEntry entry, TableVersion tableVersion)
    {
        await ReachAsync();
        return await table.InsertRow(entry, tableVersion);
    }

    public async Task<bool> UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion)
    {
        await ReachAsync();
        return await table.UpdateRow(entry, etag, tableVersion);
    }

    public async Task UpdateIAmAlive(MembershipEntry entry)
    {
        await ReachAsync();
        await table.UpdateIAmAlive(entry);
    }

    private Task ReachAsync() => cut?.Task ?? Task.CompletedTask;
}
