using Levee.Codec;
using Microsoft.Extensions.Logging;

namespace Levee.Tiers.Keys;

/// <summary>Keys from a file in the text form of <see cref="KeyRing"/>: one "name key" per line, the first one active. Warns where others than the owner may read the file.</summary>
public sealed partial class FileKeyProvider : IKeyProvider
{
    /// <summary>Longest key file, in bytes: a file of another kind is not read into memory.</summary>
    public const int MaxFileBytes = 64 * 1024;

    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private readonly string path;
    private readonly ILogger logger;

    /// <param name="path">The file.</param>
    /// <param name="logger">Where the warning goes.</param>
    public FileKeyProvider(string path, ILogger logger)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        this.path = path;
        this.logger = logger;
    }

    /// <inheritdoc/>
    public string Source => File.Exists(path) ? $"key file {path}" : "key file (a name that is not there is not shown: it may be a key)";

    /// <inheritdoc/>
    public async ValueTask<KeyRing> ReadAsync(CancellationToken cancellation)
    {
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists)
            {
                throw new TierException($"The {Source} does not exist. Give the name of a file with lines \"name key\", or env:NAME for an environment variable.");
            }

            if (file.Length > MaxFileBytes)
            {
                throw new TierException($"The {Source} is {file.Length} bytes long; a key file has at most {MaxFileBytes}.");
            }

            var text = await File.ReadAllTextAsync(path, cancellation).ConfigureAwait(false);
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & Others) != 0)
            {
                LogOpenToOthers(path);
            }

            return KeyRing.Parse(text);
        }
        catch (FormatException refusal)
        {
            throw new TierException($"The {Source} cannot be used. {refusal.Message}");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new TierException($"The {Source} cannot be read: {failure.Message}", failure);
        }
    }

    [LoggerMessage(EventId = 310, Level = LogLevel.Warning, Message = "The key file {Path} can be read or changed by others than its owner; chmod 600 closes it.")]
    private partial void LogOpenToOthers(string path);
}
