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

    public async Task InitializeMembershipTableAsync(bool tryInitTableVersion, CancellationToken cancellationToken)
    {
        await ReachAsync();
        await table.InitializeMembershipTableAsync(tryInitTableVersion, cancellationToken);
    }

    public async Task DeleteMembershipTableEntriesAsync(string clusterId, CancellationToken cancellationToken)
    {
        await ReachAsync();
        await table.DeleteMembershipTableEntriesAsync(clusterId, cancellationToken);
    }

    public async Task CleanupDefunctSiloEntriesAsync(DateTimeOffset beforeDate, CancellationToken cancellationToken)
    {
        await ReachAsync();
        await table.CleanupDefunctSiloEntriesAsync(beforeDate, cancellationToken);
    }

    public async Task<MembershipTableData> ReadRowAsync(SiloAddress key, CancellationToken cancellationToken)
    {
        await ReachAsync();
        return await table.ReadRowAsync(key, cancellationToken);
    }

    public async Task<MembershipTableData> ReadAllAsync(CancellationToken cancellationToken)
    {
        await ReachAsync();
        return await table.ReadAllAsync(cancellationToken);
    }

    public async Task<bool> InsertRowAsync(MembershipEntry entry, TableVersion tableVersion, CancellationToken cancellationToken)
    {
        await ReachAsync();
        return await table.InsertRowAsync(entry, tableVersion, cancellationToken);
    }

    public async Task<bool> UpdateRowAsync(MembershipEntry entry, string etag, TableVersion tableVersion, CancellationToken cancellationToken)
    {
        await ReachAsync();
        return await table.UpdateRowAsync(entry, etag, tableVersion, cancellationToken);
    }

    public async Task UpdateIAmAliveAsync(MembershipEntry entry, CancellationToken cancellationToken)
    {
        await ReachAsync();
        await table.UpdateIAmAliveAsync(entry, cancellationToken);
    }

    Task IMembershipTable.InitializeMembershipTable(bool tryInitTableVersion) => InitializeMembershipTableAsync(tryInitTableVersion, CancellationToken.None);

    Task IMembershipTable.DeleteMembershipTableEntries(string clusterId) => DeleteMembershipTableEntriesAsync(clusterId, CancellationToken.None);

    Task IMembershipTable.CleanupDefunctSiloEntries(DateTimeOffset beforeDate) => CleanupDefunctSiloEntriesAsync(beforeDate, CancellationToken.None);

    Task<MembershipTableData> IMembershipTable.ReadRow(SiloAddress key) => ReadRowAsync(key, CancellationToken.None);

    Task<MembershipTableData> IMembershipTable.ReadAll() => ReadAllAsync(CancellationToken.None);

    Task<bool> IMembershipTable.InsertRow(MembershipEntry entry, TableVersion tableVersion) => InsertRowAsync(entry, tableVersion, CancellationToken.None);

    Task<bool> IMembershipTable.UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) => UpdateRowAsync(entry, etag, tableVersion, CancellationToken.None);

    Task IMembershipTable.UpdateIAmAlive(MembershipEntry entry) => UpdateIAmAliveAsync(entry, CancellationToken.None);

    private Task ReachAsync() => cut?.Task ?? Task.CompletedTask;
}
