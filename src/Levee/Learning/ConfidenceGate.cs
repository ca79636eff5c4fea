using Levee.Operations;

namespace Levee.Learning;

/// <summary>
/// Lets predictions through by what those of their kind were worth lately: every bucket has a decayed count of what was predicted and of what of it was used in time, and opens and closes by their ratio. What a closed bucket predicts
/// is only tested (<see cref="ShadowSet"/>), so that it can open again. Late predictions earn nothing.
/// </summary>
internal sealed class ConfidenceGate
{
    /// <summary>How many buckets there are: those of progressions, then those of the log.</summary>
    public const int Buckets = ArithmeticStreams.Buckets + MissLog.Buckets;

    /// <summary>The memory that it holds, in bytes.</summary>
    public const int MemoryBytes = Buckets * 64;

    // A bucket that has opened closes below this part of the threshold.
    private const double Hysteresis = 0.8;

    // A bucket is not judged by fewer predictions.
    private const int LeastPredicted = 32;

    // A bucket of which so small a part of the threshold comes true has one in four of its predictions tested: that is nearly always so, and a test costs more than the prediction.
    private const double Hopeless = 0.25;
    private const int HopelessTested = 4;

    // From here on both counts are halved: what is older weighs less.
    private const int MostPredicted = 512;

    // A closed bucket does not hear of tiers that lack what it predicts: what it knew of that it forgets, and tries again.
    private const double AbsenceLearnt = 1.0 / 32;
    private const double AbsenceForgotten = 1.0 / 4096;

    private readonly Bucket[] buckets = new Bucket[Buckets];

    /// <summary>The precision from which a bucket opens.</summary>
    public double Threshold { get; set; }

    /// <summary>Whether a bucket's predictions are loaded.</summary>
    public bool IsOpen(int bucket) => buckets[bucket].IsOpen;

    /// <summary>Whether the next prediction of a closed bucket is to be tested.</summary>
    public bool IsTestDue(int bucket)
    {
        ref var tested = ref buckets[bucket];
        return tested.Predicted < LeastPredicted || tested.Right >= tested.Predicted * (Hopeless * Threshold) || ++tested.Skips % HopelessTested == 0;
    }

    /// <summary>A prediction was handed out.</summary>
    public void Issued(int bucket)
    {
        buckets[bucket].Issued++;
        Count(ref buckets[bucket]);
    }

    /// <summary>A prediction is tested only.</summary>
    public void Tested(int bucket)
    {
        buckets[bucket].Tested++;
        Count(ref buckets[bucket]);
    }

    /// <summary>A prediction that was handed out has been used in time.</summary>
    public void Used(int bucket)
    {
        buckets[bucket].Used++;
        Earn(ref buckets[bucket], 1);
    }

    /// <summary>A prediction that was only tested has come true in time. It is worth what the chance is that there would have been something to load.</summary>
    public void Passed(int bucket)
    {
        Earn(ref buckets[bucket], 1 - buckets[bucket].Absence);
        buckets[bucket].Absence *= 1 - AbsenceForgotten;
    }

    /// <summary>A load has ended that was not in vain, or was, because no tier has the entry.</summary>
    public void Loaded(int bucket, bool isAbsent) => buckets[bucket].Absence += ((isAbsent ? 1 : 0) - buckets[bucket].Absence) * AbsenceLearnt;

    /// <summary>A prediction that was handed out was asked for before it had come.</summary>
    public void Late(int bucket) => buckets[bucket].Late++;

    /// <summary>A prediction that was handed out was not used.</summary>
    public void Wasted(int bucket) => buckets[bucket].Wasted++;

    /// <summary>A prediction that was handed out was not loaded, for reasons that are not its own: as if it had not been.</summary>
    public void TakeBack(int bucket)
    {
        ref var taken = ref buckets[bucket];
        taken.Issued--;
        taken.Predicted = Math.Max((int)Math.Ceiling(taken.Right), taken.Predicted - 1);
    }

    /// <summary>The buckets in numbers.</summary>
    public PrefetchBucket[] Statistics()
    {
        var statistics = new PrefetchBucket[Buckets];
        for (var i = 0; i < Buckets; i++)
        {
            ref readonly var bucket = ref buckets[i];
            var name = i < ArithmeticStreams.Buckets ? ArithmeticStreams.NameOf(i) : MissLog.NameOf(i - ArithmeticStreams.Buckets);
            var precision = bucket.Predicted == 0 ? 0 : bucket.Right / bucket.Predicted;
            statistics[i] = new PrefetchBucket(name, bucket.IsOpen, bucket.Issued, bucket.Used, bucket.Late, bucket.Wasted, bucket.Tested, precision);
        }

        return statistics;
    }

    private void Earn(ref Bucket bucket, double worth)
    {
        bucket.Right = Math.Min(bucket.Right + worth, bucket.Predicted);
        Judge(ref bucket);
    }

    private void Count(ref Bucket bucket)
    {
        bucket.Predicted++;
        Judge(ref bucket);
        if (bucket.Predicted >= MostPredicted)
        {
            bucket.Predicted /= 2;
            bucket.Right /= 2;
        }
    }

    private void Judge(ref Bucket bucket)
    {
        if (bucket.Predicted >= LeastPredicted)
        {
            bucket.IsOpen = bucket.Right >= bucket.Predicted * (bucket.IsOpen ? Hysteresis * Threshold : Threshold);
        }
    }

    private struct Bucket
    {
        public int Predicted;
        public double Right;

        /// <summary>Which part of the latest loads found nothing to load.</summary>
        public double Absence;
        public bool IsOpen;

        /// <summary>Predictions of a hopeless bucket.</summary>
        public uint Skips;
        public long Issued;
        public long Used;
        public long Late;
        public long Wasted;
        public long Tested;
    }
}
