namespace Levee.Cli.Bench;

/// <summary>
/// Ranks 0 to count - 1 with probability proportional to 1 / (rank + 1)^exponent, in constant time and memory: rejection-inversion (Hörmann and Derflinger, ACM TOMACS 6(3), 1996; H is the
/// integral of the density x^-exponent, drawn uniformly and inverted, and rejected where the step function lies below it).
/// </summary>
internal sealed class ZipfGenerator
{
    private readonly double _exponent;
    private readonly long _count;
    private readonly double _integralFirst;
    private readonly double _integralLast;
    private readonly double _acceptance;

    public ZipfGenerator(long count, double exponent)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(exponent);
        _count = count;
        _exponent = exponent;
        _integralFirst = Integral(1.5) - 1;
        _integralLast = Integral(count + 0.5);
        _acceptance = 2 - InverseIntegral(Integral(2.5) - Density(2));
    }

    public long Next(Random random)
    {
        while (true)
        {
            var drawn = _integralLast + (random.NextDouble() * (_integralFirst - _integralLast));
            var x = InverseIntegral(drawn);
            var rank = Math.Clamp((long)(x + 0.5), 1, _count);
            if (rank - x <= _acceptance || drawn >= Integral(rank + 0.5) - Density(rank))
            {
                return rank - 1;
            }
        }
    }

    private double Density(double x) => Math.Exp(-_exponent * Math.Log(x));

    // (x^(1-s) - 1) / (1 - s), which is log x at s = 1; written so that it stays exact near there.
    private double Integral(double x)
    {
        var logarithm = Math.Log(x);
        return ExponentialQuotient((1 - _exponent) * logarithm) * logarithm;
    }

    private double InverseIntegral(double x)
    {
        var product = Math.Max(x * (1 - _exponent), -1);
        return Math.Exp(LogarithmQuotient(product) * x);
    }

    private static double ExponentialQuotient(double x) => Math.Abs(x) > 1e-8 ? (Math.Exp(x) - 1) / x : 1 + (x / 2 * (1 + (x / 3)));

    private static double LogarithmQuotient(double x) => Math.Abs(x) > 1e-8 ? Math.Log(1 + x) / x : 1 - (x * (0.5 - (x / 3)));
}
