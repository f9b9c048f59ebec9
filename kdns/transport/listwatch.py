"""The Kubernetes list/watch protocol's octets as values: pages of a list, lines of a watch. Pure.

Strategy: an object stays raw JSON until somebody needs it. A page is split to raw items without making an object of
any, so that a list never exists twice, and one odd item does not spoil its page; an Identity reads just enough of an
item to tell whether it changed. What a server sends is never trusted: whatever is not of this protocol is an ApiError
that asks for a new list.
"""

from collections.abc import Iterator
from typing import TypeVar

from msgspec import Raw, Struct, field, json

from kdns.errors import ApiError

MAX_PAGE = 256 << 20  # octets: a server that ignores `limit` sends some 200,000 Services in this
MAX_LINE = 4 << 20  # octets: etcd takes no object above 1.5 MiB, and JSON escapes may double that

T = TypeVar("T")


class Meta(Struct, rename="camel"):
    """The part of an object's metadata that says which it is and which version of it."""

    name: str
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None

    @property
    def key(self) -> str:
        """`namespace/name`; the namespace is empty for objects of the cluster (names hold no slash)."""
        return f"{self.namespace or ''}/{self.name}"

    @property
    def fingerprint(self) -> int | None:
        """A small value that differs when the object does, or None if it has no version.

        The uid belongs to it: a resourceVersion is unique within one server's life only.
        """
        return hash((self.uid, self.resource_version)) if self.resource_version else None


class Identity(Struct):
    """All that is read of an object whose kind does not matter."""

    metadata: Meta


class ListMeta(Struct, rename="camel"):
    """The list's own metadata: the version to watch from, and the token for the next page ("" on the last)."""

    resource_version: str | None = None
    token: str | None = field(default=None, name="continue")


class ListPage(Struct):
    """One page of a list; the items are raw JSON, and a view of the page's octets."""

    metadata: ListMeta
    items: list[Raw] | None = None


class Event(Struct):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, and the object (a Status for ERROR)."""

    type: str
    object: Raw


class Mark(Struct):
    """The object of a BOOKMARK: a version and nothing else."""

    metadata: ListMeta


class Status(Struct):
    """The object of an ERROR, and the body of a refusal (meta/v1 Status)."""

    code: int = 0
    reason: str | None = None
    message: str | None = None


def decode(octets: bytes | bytearray | Raw, kind: type[T]) -> T:
    """The value of JSON octets. ApiError (`relist`) if they are not JSON or not of that shape."""
    try:
        return json.decode(octets, type=kind)
    except (ValueError, RecursionError) as wrong:  # msgspec's own errors are ValueErrors
        raise ApiError(f"malformed {kind.__name__}: {wrong}", relist=True) from wrong


class Lines:
    """Octets as they come, cut to lines: the same lines, however the octets were split on their way."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """The lines that `octets` completes, without their ends; empty ones are left out.

        ApiError (`relist`) when an unfinished line has more than MAX_LINE octets.
        """
        head, end, tail = octets.rpartition(b"\n")
        if end:
            whole = bytes(self._rest + head)
            self._rest = bytearray(tail)
            yield from filter(None, whole.split(b"\n"))
        else:
            self._rest += tail
        if len(self._rest) > MAX_LINE:
            raise ApiError(f"a line of more than {MAX_LINE} octets in a watch", relist=True)
