namespace Levee.Segments;

/// <summary>What becomes of an entry that was visited.</summary>
public enum IndexAction
{
    /// <summary>It stays as it was.</summary>
    Keep,

    /// <summary>It goes.</summary>
    Remove,

    /// <summary>It is stored as the visitor left it; the hash must be the same.</summary>
    Update,
}

/// <summary>Looks at the entries of a table of a <see cref="SegmentIndex"/>. Does not call the index while it does.</summary>
public interface IIndexVisitor
{
    /// <summary>Looks at an entry.</summary>
    /// <param name="entry">A copy, to be changed for <see cref="IndexAction.Update"/>.</param>
    IndexAction Visit(ref IndexEntry entry);
}
