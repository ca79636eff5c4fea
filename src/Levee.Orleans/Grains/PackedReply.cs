using Orleans.Concurrency;

namespace Levee.Orleans.Grains;

/// <summary>What a batch server answers, as grains hand it over: nobody changes it any more. Mostly it is there at once, and then nothing waits.</summary>
internal static class PackedReply
{
    public static ValueTask<Immutable<byte[]>> Of(ValueTask<byte[]> reply) => reply.IsCompletedSuccessfully ? new(new Immutable<byte[]>(reply.Result)) : AwaitAsync(reply);

    private static async ValueTask<Immutable<byte[]>> AwaitAsync(ValueTask<byte[]> reply) => new(await reply);
}
