"""What is served over HTTP, of any version: a request in, a packet to ask or a response at once, a response out."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from kdns.tracing import Within

Headers = tuple[tuple[str, str], ...]

# A query, where in a trace it happens, and what to call with its reply.
Ask = Callable[[bytes, Within | None, Callable[[bytes | None], None]], None]

MAX_MESSAGE = 65_535  # octets of a DNS message


class Request(NamedTuple):
    """A request as a whole; `path` is without the query, `content_type` without its parameters.

    `within` is where in a trace of the client's it happens.
    """

    method: str
    path: str
    query: str
    content_type: str
    body: bytes
    within: Within | None = None


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
