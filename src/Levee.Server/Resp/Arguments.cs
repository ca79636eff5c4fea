using Levee.Memory;
using Levee.Operations;
using Levee.Resp;

namespace Levee.Server.Resp;

/// <summary>The arguments of one command, the command's name first: in place in the input, or gathered by the assembler where one is large. Valid during the command's turn.</summary>
internal readonly ref struct Arguments
{
    private readonly ReadOnlySpan<byte> input;
    private readonly ReadOnlySpan<int> ranges;
    private readonly CommandParser? parser;
    private readonly CommandAssembler? assembler;

    public Arguments(CommandParser parser, ReadOnlySpan<byte> input)
    {
        this.parser = parser;
        this.input = input;
        Count = parser.Count;
    }

    public Arguments(CommandAssembler assembler)
    {
        this.assembler = assembler;
        Count = assembler.Count;
    }

    public Arguments(ReadOnlySpan<byte> input, ReadOnlySpan<int> ranges, KeyHint hint)
    {
        this.input = input;
        this.ranges = ranges;
        Count = ranges.Length / 2;
        Hint = hint;
    }

    /// <summary>What is known of the key that is argument 1; its hash is 0 where nothing is.</summary>
    public KeyHint Hint { get; }

    /// <summary>How many there are, with the name.</summary>
    public int Count { get; }

    /// <summary>The bytes of an argument. A large one is copied out whole, once: for commands that rewrite a value anyway, and for those that refuse it.</summary>
    public ReadOnlySpan<byte> this[int index]
    {
        get
        {
            if (!ranges.IsEmpty)
            {
                return input.Slice(ranges[2 * index], ranges[(2 * index) + 1]);
            }

            if (parser is not null)
            {
                return parser.Argument(input, index);
            }

            if (!assembler!.IsLarge(index))
            {
                return assembler.Argument(index).Span;
            }

            using var large = (LargeArgument)assembler.TakeLarge(index);
            var bytes = large.ToArray();
            assembler.PutBack(index, bytes);
            return bytes;
        }
    }

    /// <summary>Takes a large argument over, with its reference.</summary>
    /// <returns>Null where the argument is small.</returns>
    public LargeValue? TakeLarge(int index) =>
        assembler is not null && assembler.IsLarge(index) ? ((LargeArgument)assembler.TakeLarge(index)).Take() : null;

    /// <summary>All arguments, copied, for commands that go on after their turn.</summary>
    public byte[][] ToArrays()
    {
        var arrays = new byte[Count][];
        for (var i = 0; i < Count; i++)
        {
            arrays[i] = this[i].ToArray();
        }

        return arrays;
    }
}

/// <summary>A large argument that is received straight into the memory in which it will be stored.</summary>
internal sealed class LargeArgument(LargeValue value) : ILargeArgument
{
    private LargeValue? value = value;

    /// <summary>What it has taken of the budget.</summary>
    public long TakenBytes => value?.TakenBytes ?? 0;

    public Span<byte> Unfilled()
    {
        var room = value!.Unfilled();
        return room.IsEmpty && value.TryGrow() ? value.Unfilled() : room;
    }

    /// <summary>Takes memory for the next bytes.</summary>
    public bool TryGrow() => value!.TryGrow();

    public void Advance(int count) => value!.Advance(count);

    public LargeValue Take()
    {
        var taken = value!;
        value = null;
        return taken;
    }

    public byte[] ToArray()
    {
        var bytes = new byte[value!.Length];
        value.CopyTo(0, bytes);
        return bytes;
    }

    public void Dispose()
    {
        value?.Release();
        value = null;
    }
}
