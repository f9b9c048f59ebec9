from collections.abc import Callable

from kdns.memo import Entry

class Drain:
    """The batches of one non-blocking UDP socket, which stays its owner's."""

    def __init__(self, fd: int) -> None: ...
    def batch(
        self, hot: dict[bytes, Entry], now: float, known: Callable[[bytes], bytes | None], /
    ) -> list[tuple[bytes, tuple[str, int] | tuple[str, int, int, int], list[tuple[int, int, bytes]]]]:
        """Take up to 64 queries that wait and answer those in `hot`, or to which `known` gives octets; the others."""
