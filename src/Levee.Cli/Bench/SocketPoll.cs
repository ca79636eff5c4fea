using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Levee.Cli.Bench;

/// <summary>
/// Waits until a socket of a set can be read (or written), or time is up. On Linux ppoll, whose timeout is in nanoseconds: a paced bench must wake on time without spinning on a core
/// that its server needs. Elsewhere Socket.Select, in milliseconds.
/// </summary>
internal sealed class SocketPoll
{
    private const short Readable = 1;
    private const short Writable = 4;
    private const int TimerSlackOption = 29;

    private readonly Socket[] sockets;
    private readonly PollEntry[] entries;
    private readonly List<Socket> selectRead = [];
    private readonly List<Socket> selectWrite = [];

    public SocketPoll(Socket[] sockets)
    {
        this.sockets = sockets;
        entries = new PollEntry[sockets.Length];
        for (var index = 0; index < sockets.Length; index++)
        {
            entries[index].Descriptor = OperatingSystem.IsLinux() ? (int)sockets[index].Handle : index;
        }
    }

    /// <summary>The calling thread's waits end within a microsecond of their time, not Linux' 50.</summary>
    public static void SharpenTimer()
    {
        if (OperatingSystem.IsLinux())
        {
            _ = Control(TimerSlackOption, 1000, 0, 0, 0);
        }
    }

    /// <summary>Waits. Afterwards <see cref="IsReady"/> tells which.</summary>
    /// <param name="isWriting">Whether a socket of an index waits to be written, too.</param>
    /// <param name="nanoseconds">The longest wait.</param>
    public void Wait(ReadOnlySpan<bool> isWriting, long nanoseconds)
    {
        for (var index = 0; index < entries.Length; index++)
        {
            entries[index].Wanted = isWriting[index] ? (short)(Readable | Writable) : Readable;
            entries[index].Found = 0;
        }

        nanoseconds = Math.Max(0, nanoseconds);
        if (OperatingSystem.IsLinux())
        {
            var time = new TimeSpec { Seconds = (nint)(nanoseconds / 1_000_000_000), Nanoseconds = (nint)(nanoseconds % 1_000_000_000) };
            _ = Poll(ref entries[0], (nuint)entries.Length, ref time, 0);
        }
        else
        {
            Select(isWriting, nanoseconds);
        }
    }

    /// <summary>Whether a socket has something to read, an error, or room that was asked for.</summary>
    public bool IsReady(int index) => entries[index].Found != 0;

    private void Select(ReadOnlySpan<bool> isWriting, long nanoseconds)
    {
        selectRead.Clear();
        selectWrite.Clear();
        for (var index = 0; index < sockets.Length; index++)
        {
            selectRead.Add(sockets[index]);
            if (isWriting[index])
            {
                selectWrite.Add(sockets[index]);
            }
        }

        Socket.Select(selectRead, selectWrite, null, (int)Math.Min(int.MaxValue, nanoseconds / 1000));
        for (var index = 0; index < sockets.Length; index++)
        {
            entries[index].Found = selectRead.Contains(sockets[index]) || selectWrite.Contains(sockets[index]) ? Readable : (short)0;
        }
    }

    [DllImport("libc", EntryPoint = "ppoll")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Poll(ref PollEntry entries, nuint count, ref TimeSpec timeout, nint signals);

    [DllImport("libc", EntryPoint = "prctl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Control(int option, nuint value, nuint third, nuint fourth, nuint fifth);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry
    {
        public int Descriptor;
        public short Wanted;
        public short Found;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
