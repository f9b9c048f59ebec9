"""HTTP/1.1 without I/O: requests cut anywhere, one after another, answered late, and what is no HTTP."""

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kdns.tracing import Within
from kdns.web.doh import Doh
from kdns.web.http1 import Http1
from tests.kdns.server import query

QUERY = query("www.example.org. A")
REPLY = QUERY[:2] + b"\x81\x80" + QUERY[4:]
HEAD = b"POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\n"
POST = HEAD + f"Content-Length: {len(QUERY)}\r\n\r\n".encode() + QUERY


class Talk:
    """One connection, its queries answered at once, or when told to."""

    def __init__(self, *, late: bool = False) -> None:
        self.written = b""
        self.asked: list[bytes] = []
        self.late: list[Callable[[bytes | None], None]] | None = [] if late else None
        self.http = Http1(Doh([].append), self.ask, self.write)

    def write(self, octets: bytes) -> None:
        self.written += octets

    def ask(self, packet: bytes, within: Within | None, done: Callable[[bytes | None], None]) -> None:
        self.within = within
        self.asked.append(packet)
        if self.late is None:
            done(REPLY)
        else:
            self.late.append(done)


@given(st.lists(st.integers(0, 2 * len(POST)), max_size=6))
def test_requests_come_in_any_pieces(cuts: list[int]) -> None:
    talk, octets = Talk(), POST + POST
    bounds = [0, *sorted(cuts), len(octets)]
    for start, end in pairwise(bounds):
        if end > start:
            talk.http.feed(octets[start:end])
    assert talk.asked == [QUERY, QUERY]
    assert talk.written.count(b"HTTP/1.1 200") == 2
    assert talk.written.count(REPLY) == 2
    assert not talk.http.closing


def test_a_status_has_its_words() -> None:
    found, lost, broken = Talk(), Talk(), Talk()
    found.http.feed(POST)
    lost.http.feed(POST.replace(b"/dns-query", b"/"))
    broken.http.feed(b"no HTTP\r\n\r\n")

    assert found.written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert lost.written.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert broken.written.startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_second_request_waits_for_the_first_reply() -> None:
    talk = Talk(late=True)
    talk.http.feed(POST + POST)
    assert len(talk.asked) == 1
    assert talk.late is not None
    talk.late.pop()(REPLY)
    assert len(talk.asked) == 2
    assert talk.written.count(REPLY) == 1


def test_a_client_that_wants_to_know_is_told_to_go_on() -> None:
    talk = Talk()
    talk.http.feed(HEAD + f"Expect: 100-continue\r\nContent-Length: {len(QUERY)}\r\n\r\n".encode())
    assert talk.written.startswith(b"HTTP/1.1 100")
    talk.http.feed(QUERY)
    assert b"HTTP/1.1 200" in talk.written


def test_a_body_without_end_is_refused() -> None:
    talk = Talk()
    talk.http.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(20):
        talk.http.feed(b"2000\r\n" + bytes(0x2000) + b"\r\n")
    assert talk.written.startswith(b"HTTP/1.1 413")
    assert talk.http.closing


def test_after_connection_close_no_more_is_read() -> None:
    talk = Talk()
    talk.http.feed(POST.replace(b"Host: a\r\n", b"Host: a\r\nConnection: close\r\n") + POST)
    assert len(talk.asked) == 1
    assert talk.http.closing


def test_a_reply_to_a_connection_that_ends_says_so() -> None:
    talk = Talk(late=True)
    talk.http.feed(POST)
    talk.http.close()
    assert talk.late is not None
    talk.late.pop()(REPLY)
    assert b"connection: close" in talk.written.lower()


@given(st.binary(max_size=300))
def test_noise_is_refused_or_waited_for(noise: bytes) -> None:
    talk = Talk()
    talk.http.feed(noise + b"\r\n\r\n")
    assert talk.written == b"" or talk.written.startswith(b"HTTP/1.1 4")


def test_a_request_may_happen_in_a_trace() -> None:
    talk = Talk()
    talk.http.feed(
        POST.replace(b"Host: a", b"Host: a\r\nX-B3-TraceId: 000000000000000a\r\nX-B3-SpanId: 00000000000000b0")
    )
    assert talk.within == Within(10, 0xB0)
    talk.http.feed(POST)
    assert talk.within is None
