using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Levee.CrashChild;

/// <summary>Writes frames to the pipe, each at once and whole.</summary>
internal sealed class FrameWriter : IDisposable
{
    private readonly Lock gate = new();
    private readonly FileStream pipe = new(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);

    public void Write(in Frame frame)
    {
        var bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<Frame>(in frame));
        lock (gate)
        {
            pipe.Write(bytes);
        }
    }

    public void Write(FrameKind kind, string text)
    {
        var encoded = Encoding.UTF8.GetBytes(text.Length > 1000 ? text[..1000] : text);
        var frame = new Frame { Kind = kind, TextLength = (short)encoded.Length };
        byte[] bytes = [.. MemoryMarshal.AsBytes(new ReadOnlySpan<Frame>(in frame)), .. encoded];
        lock (gate)
        {
            pipe.Write(bytes);
        }
    }

    /// <summary>Writes a last frame; nothing may follow it.</summary>
    public void WriteLast(FrameKind kind, string text)
    {
        gate.Enter();
        Write(kind, text);
    }

    public void Dispose() => pipe.Dispose();
}
