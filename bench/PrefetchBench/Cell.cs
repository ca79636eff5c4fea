namespace Levee.PrefetchBench;

/// <summary>A cell of the table that this is compared with: a trace, a capacity, and what was measured there, in percent. Where nothing was, the numbers are NaN.</summary>
internal sealed record Cell(string Trace, int Capacity, double BareMisses, double Misses, double Cut, double ExtraLoads)
{
    /// <summary>The cells of the table whose traces are at hand; the suffix -h: keys are hashed, -req: a line is one access.</summary>
    public static IReadOnlyList<Cell> Known { get; } =
    [
        new("P3-req", 566, 98.22, 92.53, 5.8, 8.6),
        new("P3-req", 2834, 85.60, 72.79, 15.0, 18.8),
        new("P3-req", 5668, 69.06, 59.31, 14.1, 21.1),
        new("P6-req", 459, 96.74, 92.51, 4.4, 4.9),
        new("P6-req", 2295, 71.65, 42.17, 41.1, 15.9),
        new("P6-req", 4591, 34.56, 26.23, 24.1, 18.5),
        new("cloudphysics-w106", 2751, 20.02, 11.53, 42.4, 15.1),
        new("cloudphysics-w106", 13758, 14.16, 7.19, 49.2, 7.8),
        new("cloudphysics-w106", 27517, 7.93, 4.62, 41.7, 18.5),
        new("cloudphysics-io", 489, 82.75, 42.75, 48.3, 16.5),
        new("cloudphysics-io", 2448, 81.14, 38.26, 52.8, 15.9),
        new("cloudphysics-io", 4897, 77.28, 36.00, 53.4, 17.3),
        new("OLTP-h", 1868, 54.60, 54.15, 0.8, 2.2),
        new("OLTP-h", 9344, 39.01, 38.35, 1.7, 4.0),
        new("OLTP-h", 18688, 32.75, 32.11, 1.9, 2.8),
        new("orm-busy", 763, 23.25, 16.55, 28.8, 17.4),
        new("orm-busy", 3817, 15.68, 11.16, 28.8, 18.4),
        new("orm-busy", 7634, 11.96, 8.32, 30.4, 17.7),
        new("web07-h", 204, 58.09, 58.09, 0.0, 0.0),
        new("web07-h", 1024, 46.78, 46.78, 0.0, 0.0),
        new("web07-h", 2048, 41.94, 41.94, 0.0, 0.0),
        new("adaptsize-cdn-h", 368, 74.00, 72.99, 1.4, 3.1),
        new("adaptsize-cdn-h", 1840, 65.20, 63.87, 2.0, 3.2),
        new("adaptsize-cdn-h", 3681, 61.84, 60.78, 1.7, 3.1),
        new("lirs-2_pools-h", 496, 48.14, 48.14, 0.0, 0.0),
        new("lirs-2_pools-h", 993, 45.70, 45.70, 0.0, 0.0),
    ];

    /// <summary>Cells with no counterpart: other capacities of the same traces, and traces of programs.</summary>
    public static IReadOnlyList<Cell> Others { get; } =
    [
        .. from known in Known
           group known by known.Trace into cells
           from factor in (double[])[0.5, 2, 4]
           select Of(cells.Key, (int)((factor < 1 ? cells.Min(cell => cell.Capacity) : cells.Max(cell => cell.Capacity)) * factor)),
        .. from trace in (string[])["lirs-multi1-h", "lirs-multi2-h", "lirs-multi2", "lirs-cpp-h", "lirs-cs-h", "lirs-gli-h", "lirs-ps-h", "adaptsize-cdn"]
           from capacity in (int[])[256, 1000]
           select Of(trace, capacity),
    ];

    private static Cell Of(string trace, int capacity) => new(trace, capacity, double.NaN, double.NaN, double.NaN, double.NaN);
}
