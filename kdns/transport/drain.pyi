from collections.abc import Callable

from kdns.memo import Entry

INTERFACE: int

class Drain:
    """The batches of one non-blocking UDP socket, which stays its owner's."""

    def __init__(self, fd: int) -> None: ...
    def batch(
        self, hot: dict[bytes, Entry], now: float, known: Callable[[bytes], bytes | None], /
    ) -> list[tuple[bytes, str, int, str, bytes]]:
        """Take up to 64 queries that wait and answer those in `hot`, or to which `known` gives octets; the others.

        These come with host and port of who asked, the address that was asked ("" if the socket has but one), and what
        `send` needs to reply.
        """
    def send(self, replies: list[tuple[bytes, bytes]], /) -> None:
        """Send replies, each behind what `batch` gave for it."""
