namespace Levee.Learning;

/// <summary>
/// What keeps prefetching from harm, for all buckets at once. Waste above its budget raises the threshold of the gate; misses that the prefetch area caused, where they outweigh what it won, halve the area. The lead follows from
/// how long loads take and how fast misses come.
/// </summary>
internal sealed class PrefetchControl
{
    /// <summary>The least time in the prefetch area, in would-be misses.</summary>
    public const int LeastTimeToLive = 64;

    private const int PaceMisses = 256;
    private const int ControlMisses = 1024;
    private const double LeastThreshold = 0.30;
    private const double MostThreshold = 0.90;
    private const double ThresholdRise = 0.08;
    private const double ThresholdFall = 0.03;
    private const double WasteBudget = 0.25;
    private const int LeastLead = 8;
    private const int MostLead = 128;
    private const double LatencyStep = 1.125;
    private const double RateWeight = 1.0 / 4;
    private const double TogetherWeight = 1.0 / 64;

    private int mostArea;
    private int wasted;
    private int polluted;
    private int used;
    private double uses;
    private double missRate;
    private double together;
    private long paceStart;
    private bool isPaceKnown;
    private bool isLatencyKnown;

    /// <param name="capacity">Entries in memory.</param>
    public PrefetchControl(int capacity)
    {
        mostArea = MostAreaOf(capacity);
        Area = mostArea;
    }

    /// <summary>Would-be misses since the start.</summary>
    public long Misses { get; private set; }

    /// <summary>The precision from which a bucket opens.</summary>
    public double Threshold { get; private set; } = 0.5;

    /// <summary>How far ahead predictions reach.</summary>
    public int Lead { get; private set; } = LeastLead;

    /// <summary>How many entries may lie in the prefetch area.</summary>
    public int Area { get; private set; }

    /// <summary>How many would-be misses an entry may lie there without being used.</summary>
    public int TimeToLive => TimeToLiveOf(mostArea);

    /// <summary>How many would-be misses an entry stays in the area at the least that is not used, as long as each brings one more.</summary>
    public int Horizon => Math.Min(Area, TimeToLive);

    /// <summary>How long half of the loads take, about, in the unit of the time: a median, as a few that were held up say nothing of the rest.</summary>
    public double Latency { get; private set; }

    /// <summary>Wasted loads per would-be miss, smoothed.</summary>
    public double WasteRate { get; private set; }

    /// <summary>Misses that the area caused lately.</summary>
    public double Pollution { get; private set; }

    /// <summary>The most that a prefetch area ever takes: a tenth of the capacity.</summary>
    public static int MostAreaOf(int capacity) => Math.Max(1, capacity / 10);

    /// <summary>How many would-be misses an entry may lie in an area that has room for so many.</summary>
    public static int TimeToLiveOf(int mostArea) => Math.Clamp(mostArea, LeastTimeToLive, 1024);

    /// <summary>The capacity has changed.</summary>
    public void SetCapacity(int capacity)
    {
        mostArea = MostAreaOf(capacity);
        Area = mostArea;
    }

    /// <summary>A load was not used.</summary>
    public void Wasted() => wasted++;

    /// <summary>A load was used.</summary>
    public void Used() => used++;

    /// <summary>A load took so long.</summary>
    public void Loaded(long latency)
    {
        if (!isLatencyKnown || Latency < 1)
        {
            isLatencyKnown = true;
            Latency = latency;
        }
        else if (latency > Latency)
        {
            Latency = Math.Min(latency, Latency * LatencyStep);
        }
        else
        {
            Latency = Math.Max(latency, Latency / LatencyStep);
        }
    }

    /// <summary>A load has taken so long and has not ended.</summary>
    public void StillLoading(long elapsed)
    {
        if (elapsed > Latency)
        {
            Loaded(elapsed);
        }
    }

    /// <summary>So many would-be misses are learnt before any of what they predict is asked for: predictions reach beyond them.</summary>
    public void Together(int count) => together += (count - together) * TogetherWeight;

    /// <summary>There was a would-be miss.</summary>
    public void Miss(bool isPolluted, long now)
    {
        polluted += isPolluted ? 1 : 0;
        Misses++;
        if (Misses % PaceMisses == 0)
        {
            Pace(now);
        }

        if (Misses % ControlMisses == 0)
        {
            Adapt();
        }
    }

    private void Pace(long now)
    {
        if (isPaceKnown && now > paceStart)
        {
            var rate = (double)PaceMisses / (now - paceStart);
            missRate += (rate - missRate) * (missRate > 0 ? RateWeight : 1);
            Lead = (int)Math.Clamp(4 + (2 * Latency * missRate) + together, LeastLead, MostLead);
        }

        paceStart = now;
        isPaceKnown = true;
    }

    private void Adapt()
    {
        WasteRate = (WasteRate + ((double)wasted / ControlMisses)) / 2;
        if (WasteRate > WasteBudget)
        {
            Threshold = Math.Min(MostThreshold, Threshold + ThresholdRise);
        }
        else if (WasteRate < WasteBudget / 2)
        {
            Threshold = Math.Max(LeastThreshold, Threshold - ThresholdFall);
        }

        Pollution = (Pollution / 2) + polluted;
        uses = (uses / 2) + used;
        if (Pollution > (0.8 * uses) + 8)
        {
            Area = Math.Max(Math.Max(mostArea / 32, Math.Min(4, mostArea)), Area / 2);
        }
        else if (Pollution < 0.5 * uses)
        {
            Area = Math.Min(mostArea, Area + Math.Max(1, mostArea / 16));
        }

        wasted = polluted = used = 0;
    }
}
