namespace Levee.Memory;

/// <summary>The large values of one owner by number, so that a record off the managed heap can name them; charges them to the owner's share. One owner, one call at a time.</summary>
internal sealed class LargeTable(PageShare share)
{
    private readonly Stack<int> free = new();
    private readonly List<LargeValue?> values = [];

    /// <summary>The value with a number.</summary>
    public LargeValue this[int number] => values[number]!;

    /// <summary>Takes over the caller's reference to a value.</summary>
    /// <returns>Its number.</returns>
    public int Add(LargeValue value)
    {
        share.Charge(value.ChargedBytes);
        value.BeOwned();
        if (free.TryPop(out var number))
        {
            values[number] = value;
            return number;
        }

        values.Add(value);
        return values.Count - 1;
    }

    /// <summary>Forgets a value and gives the reference back to the caller who added it.</summary>
    public void Detach(int number)
    {
        share.Charge(-values[number]!.ChargedBytes);
        values[number]!.BeUnowned();
        values[number] = null;
        free.Push(number);
    }

    /// <summary>Forgets a value and drops the reference to it.</summary>
    public void Release(int number)
    {
        var value = this[number];
        Detach(number);
        value.Release();
    }

    /// <summary>Drops up to a number of values; for a table that is no longer used.</summary>
    /// <returns>Whether values may be left.</returns>
    public bool ReleaseSome(int count)
    {
        while (count-- > 0 && values.Count > 0)
        {
            var value = values[^1];
            values.RemoveAt(values.Count - 1);
            if (value is not null)
            {
                share.Charge(-value.ChargedBytes);
                value.BeUnowned();
                value.Release();
            }
        }

        return values.Count > 0;
    }
}
