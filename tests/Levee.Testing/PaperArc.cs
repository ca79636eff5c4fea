namespace Levee.Testing;

/// <summary>
/// ARC(c) as figure 4 of Megiddo and Modha (FAST '03) prints it, for entries of one size, line by line. Its ratios are real numbers, as the paper's table needs.
/// </summary>
public sealed class PaperArc(int c)
{
    private double p;

    public LinkedList<int> T1 { get; } = [];

    public LinkedList<int> T2 { get; } = [];

    public LinkedList<int> B1 { get; } = [];

    public LinkedList<int> B2 { get; } = [];

    public double P => p;

    public bool Request(int x)
    {
        if (T1.Contains(x) || T2.Contains(x))
        {
            _ = T1.Remove(x) || T2.Remove(x);
            T2.AddLast(x);
            return true;
        }

        if (B1.Contains(x))
        {
            var delta = B1.Count >= B2.Count ? 1.0 : (double)B2.Count / B1.Count;
            p = Math.Min(p + delta, c);
            Replace(x);
            B1.Remove(x);
            T2.AddLast(x);
            return false;
        }

        if (B2.Contains(x))
        {
            var delta = B2.Count >= B1.Count ? 1.0 : (double)B1.Count / B2.Count;
            p = Math.Max(p - delta, 0);
            Replace(x);
            B2.Remove(x);
            T2.AddLast(x);
            return false;
        }

        if (T1.Count + B1.Count == c)
        {
            if (T1.Count < c)
            {
                B1.RemoveFirst();
                Replace(x);
            }
            else
            {
                T1.RemoveFirst();
            }
        }
        else
        {
            var all = T1.Count + T2.Count + B1.Count + B2.Count;
            if (all >= c)
            {
                if (all == 2 * c)
                {
                    B2.RemoveFirst();
                }

                Replace(x);
            }
        }

        T1.AddLast(x);
        return false;
    }

    private void Replace(int x)
    {
        if (T1.Count > 0 && (T1.Count > p || (B2.Contains(x) && T1.Count == p)))
        {
            Move(T1, B1);
        }
        else
        {
            Move(T2, B2);
        }
    }

    private static void Move(LinkedList<int> from, LinkedList<int> to)
    {
        var x = from.First!.Value;
        from.RemoveFirst();
        to.AddLast(x);
    }
}
