using System.ComponentModel;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Levee.Server.Transport;

/// <summary>
/// An epoll instance and room for the events it reports. Each descriptor is known by a token of the caller's choice.
/// An event is 32 bits of flags and 64 bits of token; x86 packs them into 12 bytes, other machines align the token to 16.
/// </summary>
internal sealed unsafe class EpollSet : IDisposable
{
    private const int Capacity = 256;

    private static readonly int EventBytes = IsPacked ? 12 : 16;
    private static readonly int TokenOffset = IsPacked ? 4 : 8;

    private readonly byte* events = (byte*)NativeMemory.AllocZeroed(Capacity, 16);
    private readonly int epoll = Check(Libc.EpollCreate(Libc.CloseOnExec));
    private bool isDisposed;

    private static bool IsPacked => RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.X86;

    public static int Check(int result) => result >= 0 ? result : throw new Win32Exception(Marshal.GetLastPInvokeError());

    /// <summary>Waits for events; how many there are, 0 when the time ran out or a signal interrupted.</summary>
    public int Wait(int timeoutMilliseconds)
    {
        var count = Libc.EpollWait(epoll, events, Capacity, timeoutMilliseconds);
        return count >= 0 || Marshal.GetLastPInvokeError() == Libc.Interrupted ? Math.Max(count, 0) : Check(count);
    }

    public uint Flags(int index) => Unsafe.ReadUnaligned<uint>(events + (index * EventBytes));

    public long Token(int index) => Unsafe.ReadUnaligned<long>(events + (index * EventBytes) + TokenOffset);

    public void Add(int descriptor, uint flags, long token) => Check(Control(Libc.Add, descriptor, flags, token));

    public void Modify(int descriptor, uint flags, long token) => Check(Control(Libc.Modify, descriptor, flags, token));

    /// <summary>Explicit, since closing a descriptor does not end its reports while a forked child still holds it.</summary>
    public void Remove(int descriptor) => Control(Libc.Delete, descriptor, 0, 0);

    public void Dispose()
    {
        if (!isDisposed)
        {
            isDisposed = true;
            _ = Libc.Close(epoll);
            NativeMemory.Free(events);
        }
    }

    private int Control(int operation, int descriptor, uint flags, long token)
    {
        var change = stackalloc byte[16];
        Unsafe.WriteUnaligned(change, flags);
        Unsafe.WriteUnaligned(change + TokenOffset, token);
        return Libc.EpollControl(epoll, operation, descriptor, change);
    }
}
