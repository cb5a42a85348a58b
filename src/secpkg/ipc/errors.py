"""What can go wrong between two processes, each by its name; whoever maps them to a documented status does so outside
this room.

`ChannelClosed`, `ChannelForked` and `ChannelBroken` are final: the channel answers every later call the same way. After
any of the others it can be used again.
"""

from __future__ import annotations


class ChannelError(Exception):
    """The transport failed; no reply was produced."""


class ChannelClosed(ChannelError):
    """The other end is gone (end of file, ECONNRESET, EPIPE), or this end was closed. Whether the last request was
    acted on is not known.
    """


class ChannelForked(ChannelError):
    """This process is a fork of the one that opened the channel; the channel is the parent's."""


class ChannelBroken(ChannelError):
    """The peer broke the protocol of the channel: a frame too large, one that does not decode, or a reply to a call
    that nobody made.
    """


class ChannelTimeout(ChannelError, TimeoutError):
    """No reply in time. The channel lives on: a late reply is recognised by its call id and dropped."""


class ChannelBusy(ChannelError):
    """A call from inside a call: a finalizer or a signal handler ran in the thread that waits for a reply on the same
    channel.
    """


class FrameRefused(ChannelError, ValueError):
    """A frame that this end may not send: empty (it would read as end of file), larger than the limit, or under a call
    id still owed a reply.
    """


class DescriptorsLost(ChannelError):
    """Descriptors that came with a frame were cut off by the kernel (MSG_CTRUNC): more than were expected, or this
    process is at its limit.
    """


class ResourceShortage(ChannelError):
    """The kernel refused to queue a frame: ENOBUFS, ENOMEM, or ETOOMANYREFS (too many descriptors in flight). Nothing
    was sent.
    """


class PeerRefused(ChannelError):
    """The process at the other end is not one that may be there, or it cannot be named with certainty."""
