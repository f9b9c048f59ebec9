"""A snapshot of what is known of a cluster, as the octets of one file. Pure.

    "kdns snapshot 1\\n"     which file this is, and the version of its form
    checksum                BLAKE2b of all that follows, 16 octets
    blocks                  each with its length in front, four octets, big-endian; the first one is the Header

Strategy: the whole file counts or nothing of it. A file that was cut, changed, or made by another version or with
another configuration is refused before anything of it is taken in; what is in the blocks is its owner's business.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from msgspec import Struct
from msgspec.msgpack import decode, encode

from kdns.errors import SnapshotError

MAGIC = b"kdns snapshot 1\n"
CHECKSUM = 16  # octets
LENGTH = 4  # octets


class Header(Struct, array_like=True):
    """`made_with`: what a reader must have in common with the writer. `moment`: Unix seconds of the writing."""

    made_with: str
    moment: float


def pack(header: Header, blocks: Sequence[bytes]) -> list[bytes]:
    """A file's octets, in pieces."""
    pieces = [piece for block in (encode(header), *blocks) for piece in (len(block).to_bytes(LENGTH, "big"), block)]
    checksum = blake2b(digest_size=CHECKSUM)
    for piece in pieces:
        checksum.update(piece)
    return [MAGIC, checksum.digest(), *pieces]


def unpack(octets: bytes, made_with: str) -> tuple[Header, Iterator[memoryview]]:
    """The header and the blocks of a file's octets. SnapshotError if they are not what `pack` gave, or another's."""
    if not octets.startswith(MAGIC):
        raise SnapshotError("it is none, or of another version")
    body = memoryview(octets)[len(MAGIC) + CHECKSUM :]
    if blake2b(body, digest_size=CHECKSUM).digest() != octets[len(MAGIC) :][:CHECKSUM]:
        raise SnapshotError("it is damaged")
    blocks = _blocks(body)
    try:
        header = decode(next(blocks, b""), type=Header)
    except ValueError:  # msgspec's own errors are such
        raise SnapshotError("it has no header") from None
    if header.made_with != made_with:
        raise SnapshotError("it was made with another configuration")
    return header, blocks


def _blocks(body: memoryview) -> Iterator[memoryview]:
    at = 0
    while at < len(body):
        start = at + LENGTH
        at = start + int.from_bytes(body[at:start], "big")
        yield body[start:at]
