using System.Buffers.Binary;
using System.ComponentModel;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Levee.Server.Transport;

/// <summary>The listening socket; accepts and hands each connection to the loop that has the fewest.</summary>
internal sealed unsafe class EpollListener(Socket socket, EpollLoop[] loops, ConnectionLedger ledger) : IDisposable
{
    /// <summary>Most connections accepted before the others get their turn.</summary>
    private const int BatchSize = 64;

    private const int AddressBytes = 128;
    private const int FamilyInternet6 = 10;

    public int Descriptor { get; } = (int)socket.Handle;

    /// <summary>Accepts what is waiting; false when nothing can be accepted for now, for want of descriptors or memory.</summary>
    public bool Accept()
    {
        var address = stackalloc byte[AddressBytes];
        for (var i = 0; i < BatchSize; i++)
        {
            var size = AddressBytes;
            var accepted = Libc.Accept(Descriptor, address, &size, Libc.NonBlocking | Libc.CloseOnExec);
            if (accepted >= 0)
            {
                Admit(accepted, Remote(new ReadOnlySpan<byte>(address, size)));
                continue;
            }

            var error = Marshal.GetLastPInvokeError();
            switch (error)
            {
                case Libc.Again:
                    return true;
                case Libc.TooManyFiles or Libc.FileTableFull or Libc.NoBuffers or Libc.OutOfMemory:
                    ledger.AcceptFailed(new Win32Exception(error).Message);
                    return false;
                default:
                    break;      // that one connection failed before we took it (aborted, unreachable): the next may be fine
            }
        }

        return true;
    }

    public void Dispose() => socket.Dispose();

    private static IPEndPoint? Remote(ReadOnlySpan<byte> address)
    {
        if (address.Length < 16)
        {
            return null;
        }

        var port = BinaryPrimitives.ReadUInt16BigEndian(address[2..]);
        return MemoryMarshal.Read<ushort>(address) == FamilyInternet6 && address.Length >= 28
            ? new IPEndPoint(new IPAddress(address.Slice(8, 16), MemoryMarshal.Read<uint>(address[24..])), port)
            : new IPEndPoint(new IPAddress(address.Slice(4, 4)), port);
    }

    private void Admit(int accepted, IPEndPoint? remote)
    {
        if (!ledger.TryEnter())
        {
            _ = Libc.Close(accepted);
            return;
        }

        var least = loops[0];
        foreach (var loop in loops)
        {
            least = loop.Load < least.Load ? loop : least;
        }

        least.Adopt(new EpollConnection(least, accepted, remote, ledger));
    }
}
