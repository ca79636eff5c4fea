using System.Buffers.Text;
using System.CommandLine;
using System.IO.Compression;
using Levee.Keys;
using Levee.Learning;

namespace Levee.Cli.Replay;

/// <summary>
/// Reads a trace file, plain or gzip, into memory. Three formats, told apart by name or else by the first line:
/// <code>
///  .lis        start count x x   requests to blocks start, start+1, ... start+count-1 (the ARC paper's traces)
///  .sized.txt  key size          a key and its entry's size in bytes
///  else        key               one key per line
/// </code>
/// Keys are numbers, or any text without spaces, which is hashed. Empty lines are skipped.
/// </summary>
internal sealed class TraceReader
{
    private const int LongestLine = 64 * 1024;
    private const int LinesPerReport = 1 << 14;

    private readonly string path;
    private readonly IProgress<double>? progress;
    private ulong[] keys = new ulong[1 << 12];
    private int[] sizes = [];
    private int count;
    private long lineNumber;
    private Format format;

    private readonly bool takesFirstBlocks;
    private readonly TraceKeyIds? ids;
    private bool[] numbers = [];

    private TraceReader(string path, IProgress<double>? progress, BlockCount blocks, bool keepsNumbers)
    {
        ids = keepsNumbers ? new TraceKeyIds() : null;
        takesFirstBlocks = blocks == BlockCount.First;
        this.path = path;
        this.progress = progress;
        var name = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? path[..^3] : path;
        format = name.EndsWith(".lis", StringComparison.OrdinalIgnoreCase) ? Format.Blocks
            : name.EndsWith(".sized.txt", StringComparison.OrdinalIgnoreCase) ? Format.KeysAndSizes
            : Format.Unknown;
    }

    private enum Format
    {
        Unknown,
        Keys,
        KeysAndSizes,
        Blocks,
    }

    /// <summary>The option that says which blocks of a line of a .lis trace count.</summary>
    public static Option<BlockCount> BlocksOption() => new("--blocks")
    {
        Description = "Of a line 'start count x x' of a .lis trace: all its blocks count as requests, or the first only. Each line read as one request is what a prefetcher is to be judged by.",
        HelpName = "all|first",
        DefaultValueFactory = static _ => BlockCount.All,
    };

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="progress">Hears which part of the file has been read, from 0 to 1.</param>
    /// <param name="blocks">Which blocks of a line of a .lis trace count.</param>
    /// <param name="keepsNumbers">Whether keys become ids as a prefetcher has them: <c>user:42</c> and <c>user:43</c> are neighbours.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="CommandException">The file cannot be read, a line is not as it must be, or there is no request in it.</exception>
    public static Trace Read(string path, IProgress<double>? progress = null, BlockCount blocks = BlockCount.All, bool keepsNumbers = false, CancellationToken cancellation = default)
    {
        try
        {
            using var file = File.OpenRead(path);
            return new TraceReader(path, progress, blocks, keepsNumbers).Read(file, cancellation);
        }
        catch (InvalidDataException broken)
        {
            throw new CommandException($"{path}: not a whole gzip file: {broken.Message}", broken);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{path}: cannot be read: {refused.Message}", refused);
        }
    }

    private Trace Read(FileStream file, CancellationToken cancellation)
    {
        using var text = IsGzip(file) ? new GZipStream(file, CompressionMode.Decompress) : (Stream)file;
        var buffer = new byte[2 * LongestLine];
        var held = 0;
        while (true)
        {
            var read = text.Read(buffer, held, buffer.Length - held);
            held += read;
            var rest = buffer.AsSpan(0, held);
            for (var end = rest.IndexOf((byte)'\n'); end >= 0; end = rest.IndexOf((byte)'\n'))
            {
                Line(rest[..end]);
                rest = rest[(end + 1)..];
                if (lineNumber % LinesPerReport == 0)
                {
                    cancellation.ThrowIfCancellationRequested();
                    progress?.Report((double)file.Position / Math.Max(1, file.Length));
                }
            }

            if (read == 0)
            {
                Line(rest);
                break;
            }

            if (rest.Length > LongestLine)
            {
                lineNumber++;
                throw Bad(rest, $"a line of at most {LongestLine} bytes");
            }

            rest.CopyTo(buffer);
            held = rest.Length;
        }

        if (count == 0)
        {
            throw new CommandException($"{path}: there is no request in it; expected lines of 'key', 'key size' or 'start count x x'");
        }

        return new Trace(Path.GetFileName(path), keys.AsMemory(0, count), format == Format.KeysAndSizes ? sizes.AsMemory(0, count) : default)
        {
            Numbers = ids is null ? default : numbers.AsMemory(0, count),
        };
    }

    private static bool IsGzip(FileStream file)
    {
        var isGzip = file.ReadByte() == 0x1f && file.ReadByte() == 0x8b;
        file.Position = 0;
        return isGzip;
    }

    private void Line(ReadOnlySpan<byte> line)
    {
        lineNumber++;
        line = line.Trim(" \t\r"u8);
        if (line.IsEmpty)
        {
            return;
        }

        if (format == Format.Unknown)
        {
            format = FormatOf(line);
        }

        switch (format)
        {
            case Format.Blocks:
                Blocks(line);
                break;
            case Format.KeysAndSizes:
                KeyAndSize(line);
                break;
            default:
                Key(line);
                break;
        }
    }

    private Format FormatOf(ReadOnlySpan<byte> line)
    {
        var rest = line;
        var fields = 0;
        while (!rest.IsEmpty)
        {
            _ = Field(ref rest);
            fields++;
        }

        return fields switch
        {
            1 => Format.Keys,
            2 => Format.KeysAndSizes,
            4 => Format.Blocks,
            _ => throw Bad(line, "'key', 'key size' or 'start count x x'"),
        };
    }

    private void Key(ReadOnlySpan<byte> line)
    {
        var rest = line;
        var key = Field(ref rest);
        if (!rest.IsEmpty)
        {
            throw Bad(line, "one key without spaces, as in the lines before");
        }

        AppendKey(key);
    }

    private void KeyAndSize(ReadOnlySpan<byte> line)
    {
        var rest = line;
        var key = Field(ref rest);
        if (!IsNumber(Field(ref rest), out var size) || size > int.MaxValue || !rest.IsEmpty)
        {
            throw Bad(line, $"'key size', with a size of 0 to {int.MaxValue} bytes");
        }

        var at = count;
        AppendKey(key);
        if (at >= sizes.Length)
        {
            Array.Resize(ref sizes, keys.Length);
        }

        sizes[at] = (int)size;
    }

    private void Blocks(ReadOnlySpan<byte> line)
    {
        var rest = line;
        if (!IsNumber(Field(ref rest), out var start) || !IsNumber(Field(ref rest), out var blocks) || blocks == 0 || blocks > int.MaxValue)
        {
            throw Bad(line, $"'start count x x', numbers with a count of 1 to {int.MaxValue}");
        }

        for (ulong i = 0; i < (takesFirstBlocks ? 1 : blocks); i++)
        {
            var block = unchecked(start + i);
            var isNumber = false;
            Append(ids is null ? block : TraceKeyIds.IdOf(block, out isNumber), isNumber);
        }
    }

    private void AppendKey(ReadOnlySpan<byte> key)
    {
        var isNumber = false;
        Append(ids is null ? KeyOf(key) : ids.IdOf(key, out isNumber), isNumber);
    }

    private void Append(ulong key, bool isNumber)
    {
        if (count == keys.Length)
        {
            if (count == Array.MaxLength)
            {
                throw new CommandException($"{path}, line {lineNumber}: more than {Array.MaxLength} requests; replay a part of the trace");
            }

            Array.Resize(ref keys, (int)Math.Min(Array.MaxLength, count * 2L));
        }

        if (ids is not null)
        {
            if (numbers.Length < keys.Length)
            {
                Array.Resize(ref numbers, keys.Length);
            }

            numbers[count] = isNumber;
        }

        keys[count++] = key;
    }

    private static ReadOnlySpan<byte> Field(ref ReadOnlySpan<byte> rest)
    {
        var end = rest.IndexOfAny((byte)' ', (byte)'\t');
        var field = end < 0 ? rest : rest[..end];
        rest = end < 0 ? default : rest[end..].TrimStart(" \t"u8);
        return field;
    }

    // 007 is another key than 7, so it is text.
    private static ulong KeyOf(ReadOnlySpan<byte> key) =>
        (key[0] != '0' || key.Length == 1) && IsNumber(key, out var number) ? number : KeyHash.Of(key);

    private static bool IsNumber(ReadOnlySpan<byte> field, out ulong number) =>
        Utf8Parser.TryParse(field, out number, out var consumed) && consumed == field.Length && field[0] != '+';

    private CommandException Bad(ReadOnlySpan<byte> line, string expected)
    {
        const int Shown = 60;
        var text = new char[Math.Min(line.Length, Shown)];
        for (var i = 0; i < text.Length; i++)
        {
            text[i] = line[i] is >= 0x20 and < 0x7f ? (char)line[i] : '?';
        }

        return new CommandException($"{path}, line {lineNumber}: expected {expected}; found '{new string(text)}{(line.Length > Shown ? "..." : "")}'");
    }
}

/// <summary>Which blocks of a line of a .lis trace count as requests.</summary>
internal enum BlockCount
{
    /// <summary>Each of them, as in the ARC paper.</summary>
    All,

    /// <summary>The first only: a line is one request.</summary>
    First,
}
