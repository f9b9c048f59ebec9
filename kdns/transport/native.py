"""Who takes the batches of UDP sockets: the module `drain` if it was compiled, else `batches`, which does the same by
ctypes, else nobody (NATIVE is None), and `udp` takes one datagram at a time.
"""

from collections.abc import Callable
from typing import Protocol

from kdns import compiled
from kdns.memo import Entry

INTERFACE = 1  # of the module `drain`: one that was compiled from another version's source is not called


class Drain(Protocol):
    """The batches of one socket."""

    def batch(
        self, hot: dict[bytes, Entry], now: float, known: Callable[[bytes], bytes | None], /
    ) -> list[tuple[bytes, str, int, str, bytes]]:
        """Take queries that wait and answer those that are in `hot`, or to which `known` gives octets; the others.

        These come with host and port of who asked, the address that was asked ("" if the socket has but one), and what
        `send` needs to reply.
        """

    def send(self, replies: list[tuple[bytes, bytes]], /) -> None:
        """Send replies, each behind what `batch` gave for it."""


NATIVE: Callable[[int], Drain] | None = None  # given a socket's file descriptor

_DRAIN = compiled.found("kdns.transport.drain", INTERFACE)
if _DRAIN is not None:
    NATIVE = _DRAIN.Drain
else:  # importing ctypes takes its time
    try:
        from kdns.transport import batches
    except ImportError:  # an interpreter without ctypes
        pass
    else:
        NATIVE = batches.Drain if batches.works() else None
