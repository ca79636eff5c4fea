namespace Levee.Cli.Bench;

/// <summary>
/// Ranks 0 to count - 1 with probability proportional to 1 / (rank + 1)^exponent, in constant time and memory: rejection-inversion (Hörmann and Derflinger, ACM TOMACS 6(3), 1996; H is the
/// integral of the density x^-exponent, drawn uniformly and inverted, and rejected where the step function lies below it).
/// </summary>
internal sealed class ZipfGenerator
{
    private readonly double exponent;
    private readonly long count;
    private readonly double integralFirst;
    private readonly double integralLast;
    private readonly double acceptance;

    public ZipfGenerator(long count, double exponent)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(exponent);
        this.count = count;
        this.exponent = exponent;
        integralFirst = Integral(1.5) - 1;
        integralLast = Integral(count + 0.5);
        acceptance = 2 - InverseIntegral(Integral(2.5) - Density(2));
    }

    public long Next(Random random)
    {
        while (true)
        {
            var drawn = integralLast + (random.NextDouble() * (integralFirst - integralLast));
            var x = InverseIntegral(drawn);
            var rank = Math.Clamp((long)(x + 0.5), 1, count);
            if (rank - x <= acceptance || drawn >= Integral(rank + 0.5) - Density(rank))
            {
                return rank - 1;
            }
        }
    }

    private double Density(double x) => Math.Exp(-exponent * Math.Log(x));

    // (x^(1-s) - 1) / (1 - s), which is log x at s = 1; written so that it stays exact near there.
    private double Integral(double x)
    {
        var logarithm = Math.Log(x);
        return ExponentialQuotient((1 - exponent) * logarithm) * logarithm;
    }

    private double InverseIntegral(double x)
    {
        var product = Math.Max(x * (1 - exponent), -1);
        return Math.Exp(LogarithmQuotient(product) * x);
    }

    private static double ExponentialQuotient(double x) => Math.Abs(x) > 1e-8 ? (Math.Exp(x) - 1) / x : 1 + (x / 2 * (1 + (x / 3)));

    private static double LogarithmQuotient(double x) => Math.Abs(x) > 1e-8 ? Math.Log(1 + x) / x : 1 - (x * (0.5 - (x / 3)));
}
