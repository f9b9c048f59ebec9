"""Who takes the batches of UDP sockets: the module `drain` if it was compiled, else `batches`, which does the same by
ctypes, else nobody (NATIVE is None), and `udp` takes one datagram at a time.
"""

from collections.abc import Callable
from typing import Protocol

from kdns.memo import Entry

INTERFACE = 1  # of the module `drain`: one that was compiled from another version's source is not called
UNUSED = ""  # why `drain` is not called although it is there


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

try:
    import kdns.transport.drain as drain  # `from` would not tell one that is not there from one that fails
except ModuleNotFoundError:  # no compiler was there, or none that could
    pass
except ImportError as fault:
    UNUSED = str(fault)
else:
    if getattr(drain, "INTERFACE", None) == INTERFACE:
        NATIVE = drain.Drain
    else:
        UNUSED = f"{drain.__file__} was compiled from the source of another version; install kdns anew"

if NATIVE is None:  # importing ctypes takes its time
    try:
        from kdns.transport import batches
    except ImportError:  # an interpreter without ctypes
        pass
    else:
        NATIVE = batches.Drain if batches.works() else None
