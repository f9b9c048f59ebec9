"""DNS over HTTPS: which requests carry a query, and how a reply goes back (RFC 8484)."""

import base64

import pytest

from kdns.web.doh import MEDIA_TYPE, Doh, lifetime
from kdns.web.exchange import Request, Response
from kdns.wire import codes, fit, question
from tests.kdns.asking import records
from tests.kdns.server import query

QUERY = query("www.example.org. A")
SOA = "example.org. 300 IN SOA ns.example.org. host.example.org. 1 7200 3600 86400 60"


def get(text: str, path: str = "/dns-query") -> Request:
    return Request("GET", path, text, "", b"")


def post(body: bytes, path: str = "/dns-query") -> Request:
    return Request("POST", path, "", MEDIA_TYPE, body)


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def reply(rcode: int = codes.NOERROR, answer: str = "", authority: str = "") -> bytes:
    asked = question.parse(QUERY)
    sections = records(answer), records(authority), ()
    return fit.fit(asked, fit.flags(asked, 0, rcode), sections, b"", 65_535, 65_535)


@pytest.mark.parametrize(
    "request_",
    [post(QUERY), get(f"dns={encoded(QUERY)}"), get(f"a=b&dns={encoded(QUERY)}"), post(QUERY[:12])],
)
def test_get_and_post_carry_a_query(request_: Request) -> None:
    assert Doh([].append).packet(request_) in (QUERY, QUERY[:12])


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (post(QUERY, "/"), 404),
        (get(f"dns={encoded(QUERY)}", "/dns-query/"), 404),
        (Request("PUT", "/dns-query", "", MEDIA_TYPE, QUERY), 400),
        (get(""), 400),
        (get("dns="), 400),
        (get("dns=%21%21"), 400),
        (get(f"dns={encoded(QUERY)}="), 400),  # padded
        (get(f"dns={encoded(QUERY)}&dns={encoded(QUERY)}"), 400),
        (get("dns=" + "A" * 90_000), 400),
        (post(b""), 400),
        (post(QUERY[:11]), 400),
        (post(QUERY[:20]), 400),
        (post(QUERY[:2] + b"\x80" + QUERY[3:]), 400),
        (post(QUERY + bytes(65_536)), 400),
    ],
)
def test_what_carries_no_query_is_refused(request_: Request, status: int) -> None:
    counted: list[int] = []

    found = Doh(counted.append).packet(request_)

    assert isinstance(found, Response)
    assert found.status == status
    assert counted == [status]


def test_a_reply_says_how_long_it_lasts() -> None:
    counted: list[int] = []

    response = Doh(counted.append).response(reply(answer="www.example.org. 60 IN A 192.0.2.1"))

    assert dict(response.headers) == {"content-type": MEDIA_TYPE, "cache-control": "max-age=60"}
    assert response.status == 200
    assert counted == [200]


def test_a_query_without_a_reply_is_an_error_of_the_server() -> None:
    assert Doh([].append).response(None).status == 500


@pytest.mark.parametrize(
    ("octets", "seconds"),
    [
        (reply(answer="www.example.org. 60 IN A 192.0.2.1\nwww.example.org. 30 IN A 192.0.2.2"), 30),
        (reply(answer="www.example.org. 90000 IN A 192.0.2.1"), 3600),
        (reply(codes.NXDOMAIN, authority=SOA), 300),
        (reply(authority=SOA), 300),
        (reply(), 5),
        (reply(codes.SERVFAIL), 5),
    ],
)
def test_the_lifetime_is_that_of_the_shortest_record(octets: bytes, seconds: int) -> None:
    assert lifetime(octets) == seconds
