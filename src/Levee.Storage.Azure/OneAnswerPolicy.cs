using Azure.Core;
using Azure.Core.Pipeline;

namespace Levee.Storage.Azure;

/// <summary>Refuses the requests that the library makes of its own accord to go on reading an answer that was cut short: a read is one request, and its caller decides about another.</summary>
internal sealed class OneAnswerPolicy : HttpPipelinePolicy
{
    private const string Property = "levee.one-answer";

    /// <summary>Within it, only one request goes out.</summary>
    public static IDisposable Begin() => HttpPipeline.CreateHttpMessagePropertiesScope(new Dictionary<string, object?> { [Property] = new Asked() });

    /// <inheritdoc />
    public override void Process(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline)
    {
        Count(message);
        ProcessNext(message, pipeline);
    }

    /// <inheritdoc />
    public override ValueTask ProcessAsync(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline)
    {
        Count(message);
        return ProcessNextAsync(message, pipeline);
    }

    private static void Count(HttpMessage message)
    {
        if (message.TryGetProperty(Property, out var property) && property is Asked asked && Interlocked.Exchange(ref asked.Already, 1) == 1)
        {
            throw new IOException("The answer was cut short.");
        }
    }

    private sealed class Asked
    {
        public int Already;
    }
}
