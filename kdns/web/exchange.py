"""What is served over HTTP, of any version: a request in, a packet to ask or a response at once, a response out."""

from typing import NamedTuple, Protocol

Headers = tuple[tuple[str, str], ...]

MAX_MESSAGE = 65_535  # octets of a DNS message


class Request(NamedTuple):
    """A request as a whole; `path` is without the query, `content_type` without its parameters."""

    method: str
    path: str
    query: str
    content_type: str
    body: bytes


class Response(NamedTuple):
    """A response; `trailers` are the headers behind the body that gRPC has."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    trailers: Headers = ()


class Application(Protocol):
    """What HTTP is spoken for."""

    @property
    def largest_body(self) -> int:
        """Octets of a request's body; of a longer one no more than one octet on top of them is looked at."""

    def packet(self, request: Request) -> bytes | Response:
        """The query that a request carries, or what it is refused with."""

    def response(self, reply: bytes | None) -> Response:
        """The response that carries a reply; None: the query got none."""
