"""One frame on a SOCK_SEQPACKET socket of the Unix domain.

The kernel keeps the boundaries of messages, so a frame is its body and has no header. What has to be known to read one
(unix(7), recv(2)):

- **An empty message cannot be told from end of file.** None is ever sent; a read of nothing is the end.
- **A buffer that is too short cuts the message and says nothing** to plain recv. The buffer here is one byte longer
  than the largest frame: whatever fills it is too large. (recv with MSG_TRUNC would return the true length, past the
  end of the buffer: never used.)
- **ECONNRESET can overtake a reply.** A peer that closes with our request unread leaves the error in front of what it
  had sent before. The error is reported once; the next read yields what is queued, then the end.
- **A plain recv drops descriptors**: the kernel closes what a peer attached, so a channel that expects none cannot be
  filled with them.
- **A buffer of the frame limit must be kept.** Allocating one per recv makes malloc map and unmap it each time, which
  costs as much as the round trip; a `buffer()` is mapped once, and pages that no frame reached are never made.
"""

from __future__ import annotations

import errno
import mmap
import socket
from collections.abc import Sequence
from typing import Final

from .errors import ChannelBroken, ChannelClosed, ChannelError, DescriptorsLost, FrameRefused, ResourceShortage
from .rights import MAX_FDS, NO_FDS, OwnedFds, ancillary_size, control, received

# Bytes. Below what a socket takes with the kernel's default net.core.wmem_default (212 992, less its own share).
MAX_FRAME: Final = 192 * 1024

_GONE: Final = frozenset(
    {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ECONNREFUSED, errno.EBADF, errno.ESHUTDOWN}
)
_SHORTAGE: Final = frozenset({errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS})
# Plain numbers: members of an IntFlag are combined by Python functions.
_FLAGS: Final = int(socket.MSG_NOSIGNAL)
CLOEXEC: Final = int(socket.MSG_CMSG_CLOEXEC)
_DATA_CUT: Final = int(socket.MSG_TRUNC)
_FDS_CUT: Final = int(socket.MSG_CTRUNC)
CUT: Final = _DATA_CUT | _FDS_CUT


def buffer() -> memoryview:
    """A place to receive frames in, for one reader at a time. Private to the process, also across fork."""
    return memoryview(mmap.mmap(-1, MAX_FRAME + 1, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def check(data: bytes) -> None:
    """FrameRefused where `data` may not be sent."""
    if not 0 < len(data) <= MAX_FRAME:
        raise FrameRefused(
            "an empty frame reads as end of file" if not data else f"{len(data)} bytes, the limit is {MAX_FRAME}"
        )


def named(error: OSError) -> ChannelError:
    """The name of what a socket call said."""
    if error.errno in _GONE:
        return ChannelClosed("the other end is gone")
    if error.errno in _SHORTAGE:
        return ResourceShortage(errno.errorcode.get(error.errno or 0, "") + ": nothing was sent")
    if error.errno == errno.EMSGSIZE:
        return FrameRefused("larger than the send buffer of this socket (net.core.wmem_default)")
    return ChannelError(f"unexpected {errno.errorcode.get(error.errno or 0, str(error.errno))}")


def send(sock: socket.socket, data: bytes, fds: Sequence[int] = ()) -> None:
    """Send one frame, whole or not at all, with copies of `fds`.

    BlockingIOError where the socket does not block, or its SO_SNDTIMEO passed; FrameRefused, ResourceShortage,
    ChannelClosed.
    """
    check(data)
    if len(fds) > MAX_FDS:
        raise FrameRefused(f"{len(fds)} descriptors, the limit is {MAX_FDS}")
    try:
        if fds:
            sock.sendmsg((data,), control(fds), _FLAGS)
        else:
            sock.send(data, _FLAGS)
    except BlockingIOError:
        raise
    except OSError as error:
        raise named(error) from error


def recv_frame(sock: socket.socket, into: memoryview) -> bytes:
    """Receive one frame on a channel that never carries descriptors; b"" at the end. `into` comes from `buffer`.

    BlockingIOError where nothing is there yet, or SO_RCVTIMEO passed; ChannelBroken for a frame past the limit,
    ChannelError.
    """
    try:
        size = sock.recv_into(into)
    except ConnectionResetError:
        size = _again(sock, into)
    except BlockingIOError:
        raise
    except OSError as error:
        raise named(error) from error
    if size > MAX_FRAME:
        raise ChannelBroken(f"a frame of more than {MAX_FRAME} bytes")
    return into[:size].tobytes()


def _again(sock: socket.socket, into: memoryview) -> int:
    try:
        return sock.recv_into(into)
    except BlockingIOError:
        raise
    except OSError as error:
        raise named(error) from error


def receive(sock: socket.socket, into: memoryview, max_fds: int) -> tuple[bytes, OwnedFds]:
    """Receive one frame and at most `max_fds` descriptors, close-on-exec, owned by the caller; (b"", none) at the end.

    As `recv_frame`, and DescriptorsLost where the kernel cut some off: the rest is closed and the frame is gone, the
    next one is whole.
    """
    size, ancillary, flags = _receive_message(sock, into, ancillary_size(max_fds))
    return taken(size, ancillary, flags, into, max_fds)


def taken(
    size: int, ancillary: list[tuple[int, int, bytes]], flags: int, into: memoryview, max_fds: int
) -> tuple[bytes, OwnedFds]:
    """What recvmsg put there, as `receive` gives it."""
    fds = OwnedFds(received(ancillary)) if ancillary else NO_FDS
    if size > MAX_FRAME or flags & _DATA_CUT:
        fds.close()
        raise ChannelBroken(f"a frame of more than {MAX_FRAME} bytes")
    if flags & _FDS_CUT or len(fds) > max_fds:
        fds.close()
        raise DescriptorsLost(f"more than {max_fds} descriptors came with a frame, or this process is at its limit")
    if not size:
        fds.close()
    return into[:size].tobytes(), fds


def _receive_message(sock: socket.socket, into: memoryview, room: int) -> tuple[int, list[tuple[int, int, bytes]], int]:
    for last in (False, True):
        try:
            return sock.recvmsg_into((into,), room, CLOEXEC)[:3]
        except BlockingIOError:
            raise
        except OSError as error:
            if last or error.errno != errno.ECONNRESET:
                raise named(error) from error
    raise AssertionError("unreachable")
