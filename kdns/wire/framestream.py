"""Frame Streams: payloads on a byte stream, each behind its length, between control frames.

https://farsightsec.github.io/fstrm/: a data frame is its length in four octets and the payload; a length of 0 escapes a
control frame, which is its own length, a type, and fields. The writer of a stream that goes both ways begins with READY
and a content type, waits for ACCEPT, sends START, then data, and at the end STOP, which the reader answers with FINISH.
"""

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from kdns.errors import WireError

CONTENT_TYPE = 1  # the one kind of field
LONGEST_CONTROL = 512  # octets of a control frame behind its length

_ESCAPE = b"\0\0\0\0"
_NUMBER = Struct("!I")
_FIELD = Struct("!II")


class Kind(IntEnum):
    """Types of control frames."""

    ACCEPT = 1
    START = 2
    STOP = 3
    READY = 4
    FINISH = 5


class Control(NamedTuple):
    """A control frame. Without content types, any will do."""

    kind: Kind
    content_types: tuple[bytes, ...] = ()


def data(payload: bytes) -> bytes:
    """A data frame; the payload is not empty."""
    return _NUMBER.pack(len(payload)) + payload


def control(frame: Control) -> bytes:
    """A control frame's octets."""
    fields = b"".join(_FIELD.pack(CONTENT_TYPE, len(each)) + each for each in frame.content_types)
    return _ESCAPE + _NUMBER.pack(_NUMBER.size + len(fields)) + _NUMBER.pack(frame.kind) + fields


class Controls:
    """The control frames that a writer gets from its reader, however the stream cuts them."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, octets: bytes) -> list[Control]:
        """The frames that are whole now, in order. WireError for data, and for what is no control frame."""
        rest = self._rest + octets
        found = []
        while len(rest) >= 8:
            escape, size = _FIELD.unpack_from(rest)
            if escape or not _NUMBER.size <= size <= LONGEST_CONTROL:
                raise WireError(f"no control frame: 0x{rest[:8].hex()}")
            if len(rest) < 8 + size:
                break
            found.append(_parsed(rest[8 : 8 + size]))
            rest = rest[8 + size :]
        self._rest = rest
        return found


def _parsed(octets: bytes) -> Control:
    (number,) = _NUMBER.unpack_from(octets)
    if number not in list(Kind):
        raise WireError(f"no type of a control frame: {number}")
    content_types: list[bytes] = []
    at = _NUMBER.size
    while at < len(octets):
        start = at + _FIELD.size
        field, size = _FIELD.unpack(octets[at:start]) if start <= len(octets) else (0, 0)
        at = start + size
        if field != CONTENT_TYPE or at > len(octets):
            raise WireError("a control frame with a field that is no content type")
        content_types.append(octets[start:at])
    return Control(Kind(number), tuple(content_types))
