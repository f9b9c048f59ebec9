"""Messages on a stream: each behind its length in two octets (RFC 1035 section 4.2.2)."""


class Frames:
    """Octets in, whole messages out, however the stream cuts them."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def partial(self) -> bool:
        """Whether a message has begun that is not whole yet."""
        return bool(self._rest)

    def feed(self, octets: bytes) -> list[bytes]:
        """The messages that are whole now, in order; each at most 65,535 octets, possibly empty."""
        rest = self._rest + octets if self._rest else octets
        found = []
        at = 0
        while at + 2 <= len(rest):
            end = at + 2 + (rest[at] << 8 | rest[at + 1])
            if end > len(rest):
                break
            found.append(rest[at + 2 : end])
            at = end
        self._rest = rest[at:]
        return found


def framed(message: bytes) -> bytes:
    """The message with its length in front; it has at most 65,535 octets."""
    return len(message).to_bytes(2, "big") + message
