using System.Text;
using Levee.Operations;

namespace Levee.Server.Http;

/// <summary>The answer to get-many. The schema of what <see cref="EntryListWriter"/> writes piece by piece.</summary>
internal sealed record EntryList(IReadOnlyList<EntryItem> Entries);

/// <summary>One entry of the answer to get-many, in the order of the request's keys.</summary>
internal sealed record EntryItem
{
    /// <summary>The key, where it was given as text.</summary>
    public string? Key { get; init; }

    /// <summary>The key, where it was given in base64.</summary>
    public byte[]? BinaryKey { get; init; }

    /// <summary>
    /// "hit", "miss", "hash": an entry of RESP hash fields, which has no single value, or "unavailable": a partition or lower tier did not
    /// answer, and whether there is an entry is not known.
    /// </summary>
    public required string Outcome { get; init; }

    /// <summary>The value in base64.</summary>
    public byte[]? Value { get; init; }

    /// <summary>The content type.</summary>
    public string? ContentType { get; init; }

    /// <summary>The version, as in ETag and Levee-Version.</summary>
    public string? Version { get; init; }

    /// <summary>The TTL left in milliseconds; absent where the entry does not expire.</summary>
    public long? TtlMs { get; init; }

    /// <summary>The caller's flags.</summary>
    public uint? Flags { get; init; }

    /// <summary>The tags, percent-encoded as in the header Levee-Tags.</summary>
    public IReadOnlyList<string>? Tags { get; init; }
}

/// <summary>What set-many is to write.</summary>
internal sealed record NewEntryList(IReadOnlyList<NewEntry> Entries);

/// <summary>One entry for set-many.</summary>
internal sealed record NewEntry
{
    /// <summary>The key as text; either this or <see cref="BinaryKey"/>.</summary>
    public string? Key { get; init; }

    /// <summary>The key in base64.</summary>
    public byte[]? BinaryKey { get; init; }

    /// <summary>The value in base64; either this or <see cref="Text"/>.</summary>
    public byte[]? Value { get; init; }

    /// <summary>The value as text, stored as UTF-8.</summary>
    public string? Text { get; init; }

    /// <summary>The content type; text is "text/plain; charset=utf-8" unless said otherwise.</summary>
    public string? ContentType { get; init; }

    /// <summary>The TTL, such as "60s", or "none".</summary>
    public string? Ttl { get; init; }

    /// <summary>The sliding TTL, such as "10m".</summary>
    public string? Sliding { get; init; }

    /// <summary>The caller's flags.</summary>
    public uint Flags { get; init; }

    /// <summary>Tags, as they are.</summary>
    public IReadOnlyList<string>? Tags { get; init; }

    /// <summary>Checks everything and turns it into what the engine takes.</summary>
    /// <returns>Null, or what is wrong.</returns>
    public Problem? Read(int maxValueBytes, out byte[] key, out byte[] value, out EntryMetadata metadata)
    {
        key = Key is null ? BinaryKey ?? [] : Encoding.UTF8.GetBytes(Key);
        value = Text is null ? Value ?? [] : Encoding.UTF8.GetBytes(Text);
        metadata = default;
        if (Key is null == BinaryKey is null || Text is null == Value is null)
        {
            return Problems.BadJson("An entry has either 'key' or 'binaryKey', and either 'value' (base64) or 'text'.");
        }

        if (key.Length is < 1 or > Limits.MaxKeyBytes)
        {
            return Problems.BadKeyLength(key.Length);
        }

        if (value.Length > maxValueBytes)
        {
            return Problems.TooLarge(maxValueBytes);
        }

        var lifetime = default(Lifetime);
        if (Ttl is not null && !Lifetime.TryParse(Ttl, out lifetime))
        {
            return Problems.BadValue("ttl", Ttl, Lifetime.Allowed);
        }

        if (Sliding is not null && !lifetime.TryAddSliding(Sliding, out lifetime))
        {
            return Problems.BadValue("sliding", Sliding, Lifetime.Allowed);
        }

        if (!EntryHeaders.TryEncodeContentType(ContentType ?? (Text is null ? "" : "text/plain; charset=utf-8"), out var contentType))
        {
            return Problems.BadValue("contentType", ContentType!, $"up to {Limits.MaxContentTypeBytes} bytes of ASCII");
        }

        var problem = EntryHeaders.PackTags((Tags ?? []).Select(tag => (tag ?? "", Encoding.UTF8.GetBytes(tag ?? ""))), out var tags);
        metadata = new EntryMetadata(contentType, tags, Flags, lifetime);
        return problem;
    }
}

/// <summary>What became of set-many's entries, in their order.</summary>
/// <param name="Stored">How many were stored.</param>
/// <param name="Entries">Each one's outcome.</param>
internal sealed record StoreResult(int Stored, IReadOnlyList<StoreItem> Entries);

/// <summary>What became of one entry.</summary>
/// <param name="Outcome">"stored", "too-large" or "out-of-memory", "tier-unavailable".</param>
/// <param name="Version">Its version, where it was stored.</param>
/// <param name="LimitBytes">The limit, where it was too large.</param>
internal sealed record StoreItem(string Outcome, string? Version, long? LimitBytes);
