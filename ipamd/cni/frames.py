"""What the executable and the daemon say to each other over the socket, as octets.

Strategy: the executable understands nothing of what it carries. It sends its environment, as far as it concerns CNI,
and its standard input; it gets an exit status and a text to print.

    request   length of what follows, 4 octets, big-endian; then "NAME=VALUE" NUL for every variable, NUL, the input
    reply     the exit status, 1 octet; then the text for standard output, to the end of the connection

Beside the variables of CNI the executable sends three of its own: IPAMD_NODE, the name of its node (its host name
unless that variable was set for it), IPAMD_STARTED, when it was started, in nanoseconds since the epoch, and
IPAMD_OWN_NETNS, 1 if CNI_NETNS is the network namespace that it runs in.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from ipamd.cni.codes import Code
from ipamd.errors import CniError

HEAD = 4  # octets of the length
LARGEST = 1 << 20  # octets of a request


class Call(NamedTuple):
    """What the executable was called with."""

    environment: Mapping[str, str]
    stdin: bytes


class Outcome(NamedTuple):
    """What the executable is to print, and its exit status; the code of the error that is printed, 0 for none."""

    status: int
    text: str
    code: int = 0

    def octets(self) -> bytes:
        """The reply."""
        return bytes([self.status]) + self.text.encode()


IsThere = Callable[[], bool]
"""Whether the executable still waits for the reply."""

Answer = Callable[[Call, IsThere], Awaitable[Outcome]]
"""What is done for a call."""


def length_of(head: bytes) -> int:
    """The octets of a request behind its head. Raises CniError for more than LARGEST."""
    length = int.from_bytes(head[:HEAD], "big")
    if length > LARGEST:
        raise CniError(Code.IO_FAILURE, f"a request has at most {LARGEST} octets, not {length}")
    return length


def read_call(body: bytes) -> Call:
    """A request, without its head. Raises CniError if it is none."""
    variables, end, stdin = b"\0".join((b"", body)).partition(b"\0\0")
    if not end:
        raise CniError(Code.IO_FAILURE, "the request has no end of its environment")
    named = (entry.decode(errors="surrogateescape").partition("=") for entry in variables.split(b"\0") if entry)
    return Call({name: value for name, _, value in named}, stdin)
